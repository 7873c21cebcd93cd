import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { readJson } from '../data/classes.js';
import { isFile, writeAtomic } from '../data/files.js';
import { UserError } from '../errors.js';

/** Largest file of a study that is read. */
const mostBytes = 2 ** 20;

/**
 * Makes a folder the one of a study: what decides its result is written to `study.json`, and must be the same from then
 * on.
 * @param other what a folder with other settings is told to hold; default: the first setting that differs, by name.
 * @throws UserError where they differ, or naming the file where it is damaged.
 */
export async function claimStudy(out: string, settings: object, other?: string): Promise<void> {
  const file = path.join(out, 'study.json');
  // As they are read back: without what is undefined.
  const now = JSON.parse(JSON.stringify(settings)) as Readonly<Record<string, unknown>>;
  if (!isFile(file)) {
    await writeAtomic(file, Buffer.from(`${JSON.stringify(now, null, 2)}\n`));
    return;
  }
  const found = await readJson(file, mostBytes);
  const before = new Map(typeof found === 'object' && found !== null ? Object.entries(found) : []);
  for (const name of new Set([...before.keys(), ...Object.keys(now)])) {
    if (isDeepStrictEqual(before.get(name), now[name])) continue;
    const [old, asked] = [before.get(name), now[name]].map((value) => JSON.stringify(value) ?? 'none');
    throw new UserError(
      `${out}: holds a study with ${other ?? `another ${name} (${old}, now ${asked})`}; choose another --out`,
      2,
    );
  }
}

/** What a file of a study holds, or what the work gives, which the file then holds. @throws UserError where it holds another thing. */
export async function kept<T>(
  file: string,
  schema: v.GenericSchema<unknown, T>,
  work: () => Promise<T>,
): Promise<T> {
  if (isFile(file)) {
    const parsed = v.safeParse(schema, await readJson(file, mostBytes));
    if (parsed.success) return parsed.output;
    throw new UserError(`${file}: is no result of this study; delete it, and it is made again`);
  }
  const result = await work();
  await writeAtomic(file, Buffer.from(`${JSON.stringify(result, null, 2)}\n`));
  return result;
}
