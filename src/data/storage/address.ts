import { UserError } from '../../errors.js';

/** A place in a store of objects: everything below `key` of a bucket, or one object. */
export interface Address {
  readonly bucket: string;
  /** Without a slash at either end; empty is the whole bucket. */
  readonly key: string;
}

/** Whether a name is an address (`s3://bucket/key`) and no path; one slash will do, as `path.join` leaves it. */
export const isRemote = (name: string): boolean => /^s3:[\\/]/.test(name);

/** @throws UserError where an address names no bucket. */
export function parseAddress(name: string): Address {
  const [bucket = '', ...parts] = name
    .replace(/^s3:/, '')
    .split(/[\\/]+/)
    .filter(Boolean);
  if (!/^[a-z0-9][a-z0-9._-]{1,254}$/i.test(bucket)) {
    throw new UserError(`${name}: names no bucket; expected s3://bucket/folder`, 2);
  }
  return { bucket, key: parts.join('/') };
}

/** The address as people write it. */
export function shownAddress(name: string): string {
  const { bucket, key } = parseAddress(name);
  return key ? `s3://${bucket}/${key}` : `s3://${bucket}`;
}
