import { promises as fs } from 'node:fs';
import path from 'node:path';
import { UserError } from '../../errors.js';
import { ignoreId, readClasses } from '../classes.js';
import { isFile, isFolder, makeFolder, unwritable, writeAtomic } from '../files.js';
import { imageSize, size, writeLabelPng } from '../image.js';
import { coco } from './coco.js';
import { labelme } from './labelme.js';
import type { Annotated, AnnotationKind } from './source.js';
import { supervisely } from './supervisely.js';

/** What is read, in the order it is tried. */
const kinds: readonly AnnotationKind[] = [supervisely, labelme, coco];

/** Options of {@link convertAnnotations}. */
export interface ConvertOptions {
  /** Folder of the new data set; may have other splits already. */
  readonly out: string;
  /** Split it becomes; default: none, `images/` is flat. */
  readonly split?: string;
  /** Where the pictures are, if not where the annotations say. */
  readonly images?: string;
  /** Classes in the order they get values; default: as the annotations have them. Figures of others are left out. */
  readonly classes?: readonly string[];
  /** What pixels without a figure are: a class of this name, or with `null` ignored. Default `background`. */
  readonly background?: string | null;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a conversion did. */
export interface Converted {
  readonly kind: string;
  readonly classes: readonly string[];
  readonly images: number;
  /** Figures that are no areas, such as lines. */
  readonly skipped: number;
  /** What could not be converted, each a line. */
  readonly failures: readonly string[];
}

/**
 * Makes a folder data set (`images/ labels/ classes.json`) of annotations: COCO, labelme or Supervisely. Pictures are
 * copied; a picture that is wrong does not end the work.
 * @throws UserError where the source is of no known kind, or the folder holds a data set of other classes.
 */
export async function convertAnnotations(source: string, options: ConvertOptions): Promise<Converted> {
  const { out, split = '', images, background = 'background', onProgress } = options;
  const kind = await kindOf(source);
  const opened = await kind.open(source, images);
  const own = (options.classes ?? opened.classes).filter((name) => name !== background);
  const names = background === null ? [...own] : [background, ...own];
  await keepClasses(path.join(out, 'classes.json'), names);
  const values = new Map(names.map((name, value) => [name, value]));
  const empty = background === null ? ignoreId : 0;
  const failures: string[] = [];
  let written = 0;
  let done = 0;
  for await (const picture of opened.pictures()) {
    if ('failed' in picture) failures.push(picture.failed);
    else {
      try {
        // A folder below flat images would be taken for a split.
        const name = split === '' ? picture.name.replace(/[\\/]/g, '_') : picture.name;
        await convertOne(
          { ...picture, name },
          path.join(out, 'images', split),
          path.join(out, 'labels', split),
          values,
          empty,
        );
        written++;
      } catch (error) {
        if (!(error instanceof UserError) || error.cause) throw error;
        failures.push(error.message);
      }
    }
    onProgress?.(++done, opened.count);
  }
  return { kind: kind.name, classes: names, images: written, skipped: opened.skipped, failures };
}

async function kindOf(source: string): Promise<AnnotationKind> {
  if (!isFile(source) && !isFolder(source))
    throw new UserError(`${source}: no such file or folder of annotations`);
  let start = '';
  if (isFile(source)) {
    const handle = await fs.open(source, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(1 << 16), 0);
      start = buffer.toString('latin1', 0, bytesRead);
    } finally {
      await handle.close();
    }
  }
  const kind = kinds.find((each) => each.test(source, start));
  if (kind) return kind;
  throw new UserError(
    `${source}: no known annotations; looked for ${kinds.map(({ looks }) => looks).join('; ')}`,
  );
}

/** Writes classes.json, or checks that the one there has the same classes. */
async function keepClasses(file: string, names: readonly string[]): Promise<void> {
  if (names.length < 2 || names.length > 255) {
    throw new UserError(
      `${file}: would have ${names.length} classes (${names.join(', ')}); 2 to 255 can be told apart`,
    );
  }
  if (isFile(file)) {
    const before = (await readClasses(file)).names;
    if (before.join('\n') === names.join('\n')) return;
    throw new UserError(
      `${file}: has other classes (${before.join(', ')}) than these annotations (${names.join(', ')}); give the classes by name and in order, or choose another folder`,
    );
  }
  await writeAtomic(file, Buffer.from(`${JSON.stringify({ names }, null, 2)}\n`));
}

async function convertOne(
  { name, picture, ending, paint }: Annotated,
  images: string,
  labels: string,
  values: ReadonlyMap<string, number>,
  empty: number,
): Promise<void> {
  const bytes = 'bytes' in picture ? picture.bytes : await fs.readFile(picture.file);
  const shown = 'bytes' in picture ? name : picture.file;
  const found = await imageSize(bytes, shown);
  // Figures of classes that were not asked for are what is below them.
  const painted = await paint((each) => values.get(each) ?? empty, empty);
  // A photo with an EXIF orientation may have been drawn on turned or not; the data set's reader finds out.
  const same =
    (painted.height === found.height && painted.width === found.width) ||
    (painted.height === found.width && painted.width === found.height);
  if (!same) {
    throw new UserError(`${shown}: is ${size(found)}, but its annotations are for ${size(painted)}`);
  }
  const image = path.join(images, name + ending);
  await makeFolder(path.dirname(image));
  try {
    await fs.writeFile(image, bytes);
  } catch (error) {
    throw unwritable(image, error);
  }
  await writeLabelPng(path.join(labels, `${name}.png`), painted);
}
