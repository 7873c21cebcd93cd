import type { GetObjectCommandOutput, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { UserError } from '../../errors.js';
import { parseAddress, shownAddress } from './address.js';
import type { Storage, StoredFile } from './store.js';

/** Times that a body which broke off is asked for. */
const mostReads = 3;

/**
 * S3 or what speaks its protocol (`AWS_ENDPOINT_URL`). Region and credentials come from the usual environment variables
 * and files, or from the machine's role.
 * @throws UserError where the client is not installed.
 */
export async function openS3(): Promise<Storage> {
  // It tells of its own plans for Node's versions in seven lines, in every thread.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const sdk = await import('@aws-sdk/client-s3').catch(() => {
    throw new UserError(
      's3:// addresses need the package @aws-sdk/client-s3: npm install @aws-sdk/client-s3',
    );
  });
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const client = new sdk.S3Client({
    region: AWS_REGION ?? AWS_DEFAULT_REGION ?? 'us-east-1',
    // Other servers seldom have a host name for each bucket, nor the newer checksums.
    forcePathStyle: Boolean(AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 5000, requestTimeout: 60_000 },
  });
  return new S3Storage(client, sdk);
}

type Sdk = typeof import('@aws-sdk/client-s3');

class S3Storage implements Storage {
  constructor(
    private readonly client: S3Client,
    private readonly sdk: Sdk,
  ) {}

  async *list(folder: string): AsyncGenerator<StoredFile> {
    const { bucket, key } = parseAddress(folder);
    let ContinuationToken: string | undefined;
    do {
      const command = new this.sdk.ListObjectsV2Command({
        ...{ Bucket: bucket, Prefix: key ? `${key}/` : '', ContinuationToken },
      });
      const page = await this.client.send(command).catch((error: unknown) => {
        throw refused(folder, 'cannot be listed', error);
      });
      for (const { Key, Size = 0, ETag = '' } of page.Contents ?? []) {
        // A key that ends in a slash is a folder that some tools draw.
        if (Key && !Key.endsWith('/'))
          yield { file: `s3://${bucket}/${Key}`, bytes: Size, stamp: `${Size} ${ETag}` };
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
  }

  async stat(file: string): Promise<StoredFile | undefined> {
    const { bucket, key } = parseAddress(file);
    if (!key) return undefined;
    try {
      const command = new this.sdk.HeadObjectCommand({ Bucket: bucket, Key: key });
      const { ContentLength = 0, ETag = '' } = await this.client.send(command);
      return { file: shownAddress(file), bytes: ContentLength, stamp: `${ContentLength} ${ETag}` };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw refused(file, 'cannot be read', error);
    }
  }

  async read(file: string, most: number): Promise<Buffer> {
    const bytes = await this.get(file, most);
    if (bytes.length === 0)
      throw new UserError(`${shownAddress(file)}: the file is empty (0 bytes); write or upload it again`);
    return bytes;
  }

  async readStart(file: string, bytes: number): Promise<Buffer | undefined> {
    try {
      return await this.get(file, bytes, `bytes=0-${bytes - 1}`);
    } catch (error) {
      const { cause } = error as Error;
      // An empty file has no first byte.
      if (isMissing(cause) || (cause as S3ServiceException | undefined)?.name === 'InvalidRange')
        return undefined;
      throw error;
    }
  }

  async write(file: string, bytes: Uint8Array): Promise<void> {
    const { bucket, key } = parseAddress(file);
    const command = new this.sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes });
    await this.client.send(command).catch((error: unknown) => {
      throw refused(file, 'cannot be written', error);
    });
  }

  private async get(file: string, most: number, Range?: string): Promise<Buffer> {
    const { bucket, key } = parseAddress(file);
    for (let attempt = 1; ; attempt++) {
      const command = new this.sdk.GetObjectCommand({ Bucket: bucket, Key: key, Range });
      const reply = await this.client.send(command).catch((error: unknown) => {
        throw refused(file, 'cannot be read', error);
      });
      try {
        return await collect(reply, most);
      } catch (error) {
        if (error instanceof RangeError || attempt === mostReads)
          throw refused(file, 'cannot be read', error);
      }
    }
  }
}

/** @throws RangeError for more than `most` bytes, before they are kept; Error where the body breaks off. */
async function collect({ Body, ContentLength }: GetObjectCommandOutput, most: number): Promise<Buffer> {
  const stream = Body as (AsyncIterable<Uint8Array> & { destroy(): void }) | undefined;
  if (!stream) return Buffer.alloc(0);
  const parts: Uint8Array[] = [];
  let length = 0;
  const check = (bytes: number) => {
    if (bytes <= most) return;
    stream.destroy();
    throw new RangeError(`it has ${bytes} bytes or more, at most ${most} are read`);
  };
  check(ContentLength ?? 0);
  for await (const part of stream) {
    length += part.length;
    check(length);
    parts.push(part);
  }
  if (ContentLength !== undefined && length < ContentLength)
    throw new Error(`it broke off after ${length} of ${ContentLength} bytes`);
  return Buffer.concat(parts);
}

const isMissing = (error: unknown): boolean =>
  ['NoSuchKey', 'NotFound'].includes((error as Error | undefined)?.name ?? '');

/** Errors that every other file of the store would meet too, in words. */
const general: Readonly<Record<string, string>> = {
  AccessDenied: 'access denied; check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE) and what they allow',
  Forbidden: 'access denied; check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE) and what they allow',
  InvalidAccessKeyId: 'the store does not know AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'the store does not accept AWS_SECRET_ACCESS_KEY',
  ExpiredToken: 'the credentials have expired; get new ones',
  CredentialsProviderError: 'there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  RequestTimeTooSkewed: "this machine's clock is wrong; set it",
  NoSuchBucket: 'there is no such bucket',
  PermanentRedirect: 'the bucket is in another region; set AWS_REGION',
};

function refused(file: string, what: string, error: unknown): UserError {
  const { name, message, code, $metadata } = error as Error & {
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const known = general[name] ?? ($metadata?.httpStatusCode === 403 ? general.Forbidden : undefined);
  const network = known === undefined && /^E[A-Z_]+$|Timeout/.test(code ?? name);
  const why = network
    ? `the store cannot be reached (${code ?? name}); check AWS_ENDPOINT_URL and the network`
    : (known ?? (isMissing(error) ? 'no such file' : message.split('\n')[0] || name));
  // As a disk that fails: there is no use in going on with other files.
  const cause =
    known || network ? Object.assign(new Error(message, { cause: error }), { code: 'EIO' }) : error;
  return new UserError(`${shownAddress(file)}: ${what} (${why})`, 1, { cause });
}
