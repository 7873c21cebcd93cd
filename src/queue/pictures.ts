import path from 'node:path';
import { resultNames } from '../batch/outputs/files.js';
import type { Source } from '../data/sources/source.js';
import { isRemote } from '../data/storage/address.js';
import { UserError } from '../errors.js';
import { removeTemporaries } from '../model/durable.js';
import type { PictureJob, PictureResult, PictureSetup } from './contract.js';
import { mostModelBytes, pictureResult } from './contract.js';
import { QueueMap } from './map.js';
import { digestOf } from './work/model.js';

export interface QueuePictures {
  readonly url: string;
  /** The file of the model. */
  readonly model: Buffer;
  /** Files of a shared folder or store, each once. */
  readonly inputs: readonly Source[];
  readonly setup: Omit<PictureSetup, 'version' | 'model'>;
  /** Pictures a job. */
  readonly chunk: number;
  /** Told what a person should know. */
  readonly tell: (message: string) => void;
}

/**
 * Predicts pictures by workers behind a queue, which read and write them themselves. Where it is stopped, what is done
 * is found done by the next.
 * @throws UserError: no Redis, pictures that workers cannot read, a model that is too large.
 */
export async function predictByQueue(options: QueuePictures): Promise<QueueMap<PictureJob, PictureResult>> {
  const { url, model, inputs, setup, chunk, tell } = options;
  const packed = inputs.find(({ plain }) => !plain);
  if (packed) throw new UserError(`${packed.file}: workers read no archives; unpack it into a shared folder`);
  if (model.length > mostModelBytes)
    throw new UserError(`the model has ${model.length} bytes, at most ${mostModelBytes} go through a queue`);
  const names = resultNames(inputs);
  const absolute = (name: string) => (isRemote(name) ? name : path.resolve(name));
  return QueueMap.open<PictureJob, PictureResult>(
    url,
    {
      kind: 'pictures',
      setup: { ...setup, out: absolute(setup.out), model: digestOf(model) },
      ...{ model, count: inputs.length, chunk, result: pictureResult },
      job: (run, first, count) => ({
        run,
        images: inputs.slice(first, first + count).map((input, i) => ({
          index: first + i,
          file: absolute(input.file),
          name: names.get(input.file)!,
          stamp: input.stamp(),
        })),
      }),
    },
    tell,
  );
}

/** Takes away what workers that were killed have left beside the results of these inputs; nobody writes there now. */
export async function removeLeftovers(out: string, inputs: readonly Source[]): Promise<void> {
  if (isRemote(out)) return;
  const folders = new Set(inputs.map(({ name }) => path.dirname(path.join(out, name))));
  for (const folder of folders) await removeTemporaries(folder);
}
