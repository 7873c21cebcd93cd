import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Backend } from '../backends/backend.js';
import { softSize } from '../data/augment/softLabels.js';
import type { Sample } from '../data/dataset.js';
import { isFile, listNames, readBytes, writeAtomic } from '../data/files.js';
import { type RgbImage, readImage } from '../data/image.js';
import { writeSoftLabels } from '../data/softLabels.js';
import { UserError } from '../errors.js';
import { fittingSize } from '../eval/fitting.js';
import { mirrored, resizeImage, zoomed } from '../eval/predict.js';
import { Predictor } from '../eval/predictor.js';
import { meanProbabilities, type View } from '../eval/views.js';
import { decodeModel } from '../model/format.js';
import { type Model, modelOf } from '../model/model.js';
import type { ResolvedTrainConfig } from './config.js';
import type { TrainEvent } from './events.js';

type TeacherOptions = NonNullable<ResolvedTrainConfig['teacher']>;

/** A model that others learn from. */
export interface Teacher extends Model {
  /** Sixteen hexadecimal digits of its file's content. */
  readonly fingerprint: string;
}

const folderOf = (out: string): string => path.join(out, 'teacher');

/** The files of soft labels of a run, by the position of the sample in its sorted split. */
export const softFilesOf =
  (out: string) =>
  (index: number): string =>
    path.join(folderOf(out), `${index}.soft`);

/**
 * Loads the models.
 * @param names the classes of the data.
 * @throws UserError for what is no model, or one of other classes.
 */
export async function openTeachers({ models }: TeacherOptions, names: readonly string[]): Promise<Teacher[]> {
  return Promise.all(
    models.map(async (file) => {
      const bytes = await readBytes(file);
      const model = modelOf(decodeModel(bytes, file), file);
      const { names: own } = model.info.classes;
      if (own.join('\n') !== names.join('\n')) {
        throw new UserError(
          `${file}: a teacher of ${own.length} classes (${own.join(', ')}), but the data has ${names.length} (${names.join(', ')}); a teacher has the same ones in the same order`,
          2,
        );
      }
      return { ...model, fingerprint: createHash('sha256').update(bytes).digest('hex').slice(0, 16) };
    }),
  );
}

/**
 * Lets teachers look at every training image, and keeps what they think in the run folder, once: what is there of the same
 * teachers and images stays. Ends early where the signal aborts; the rest is made when the run goes on.
 * @param how `dataset`: fingerprint of the images.
 */
export async function teach(
  teachers: readonly Teacher[],
  samples: readonly Sample[],
  out: string,
  { scales, flip, dataset }: Pick<TeacherOptions, 'scales' | 'flip'> & { readonly dataset: string },
  {
    backend,
    threads,
    signal,
    onEvent,
  }: {
    readonly backend: Backend;
    readonly threads?: number;
    readonly signal?: AbortSignal;
    readonly onEvent?: (event: TrainEvent) => void;
  },
): Promise<void> {
  await claim(out, { teachers: teachers.map(({ fingerprint }) => fingerprint), scales, flip, dataset });
  const predictors = teachers.map(
    ({ network, weights }) => new Predictor(network, weights, { backend, threads, sizes: scales.length }),
  );
  const fileOf = softFilesOf(out);
  try {
    for (const [index, { image: file }] of samples.entries()) {
      if (signal?.aborted) return;
      if (!isFile(fileOf(index))) {
        const image = await readImage(file);
        const views = await Promise.all(
          teachers.map(({ info }, i) => viewsOf(predictors[i], image, shownSizes(info, image, scales), flip)),
        );
        const grid = softSize(image);
        const data = meanProbabilities(views.flat(), grid.height, grid.width);
        const { classes } = teachers[0].network;
        await writeSoftLabels(fileOf(index), { ...grid, classes, data });
      }
      onEvent?.({ type: 'teaching', done: index + 1, total: samples.length });
    }
  } finally {
    await Promise.all(predictors.map((predictor) => predictor.dispose()));
  }
}

/** The size that suits a teacher, zoomed. */
function shownSizes(info: Model['info'], image: RgbImage, scales: readonly number[]): [number, number][] {
  const fitting = fittingSize(info, image) ?? [image.height, image.width];
  return scales.map((scale) => {
    const [height, width] = fitting.map((side) => Math.max(32, zoomed(side, scale)));
    return [height, width];
  });
}

async function viewsOf(
  predictor: Predictor,
  image: RgbImage,
  sizes: readonly (readonly [number, number])[],
  flip: boolean,
): Promise<Pick<View, 'logits' | 'flipped'>[]> {
  const views: Pick<View, 'logits' | 'flipped'>[] = [];
  for (const [height, width] of sizes) {
    const shown = resizeImage(image, height, width);
    views.push({ logits: await predictor.logits(shown), flipped: false });
    if (flip) views.push({ logits: await predictor.logits(mirrored(shown)), flipped: true });
  }
  return views;
}

/** Soft labels of other teachers or images are of no use. */
async function claim(out: string, made: Readonly<Record<string, unknown>>): Promise<void> {
  const folder = folderOf(out);
  const file = path.join(folder, 'teacher.json');
  const text = `${JSON.stringify(made, null, 2)}\n`;
  if (isFile(file) && (await readBytes(file)).toString('utf8') === text) return;
  for (const name of listNames(folder, 'files')) {
    if (name.endsWith('.soft')) await rm(path.join(folder, name), { force: true });
  }
  await writeAtomic(file, Buffer.from(text));
}
