import type { Writer } from '../batch/outputs/writer.js';
import { writeAtomic } from '../data/files.js';
import type { Source } from '../data/sources/source.js';
import { UserError } from '../errors.js';
import type { PictureSetup } from '../queue/contract.js';
import { predictByQueue, removeLeftovers } from '../queue/pictures.js';
import { formatRate } from '../report/format.js';
import type { Failure } from './inputs.js';
import { Progress } from './progress.js';
import { Stopped } from './stopped.js';
import { endSignals } from './training.js';

export interface QueueBatch {
  readonly url: string;
  readonly inputs: readonly Source[];
  /** What names no picture. */
  readonly failures: readonly Failure[];
  /** The file of the model. */
  readonly model: Buffer;
  readonly setup: Omit<PictureSetup, 'version' | 'model'>;
  readonly chunk: number;
  /** Where failures are listed. */
  readonly list: string;
  /** Takes the results once all are there: that of `--coco`. */
  readonly after?: Writer;
  readonly json?: boolean;
}

/** Predicts by workers, and shows how far all of them are. */
export async function predictThroughQueue(batch: QueueBatch): Promise<void> {
  const { url, model, setup, chunk, json, list } = batch;
  // An input that was named twice has one result.
  const inputs = [...new Map(batch.inputs.map((input) => [input.file, input])).values()];
  const tell = (result: object) => json && process.stdout.write(`${JSON.stringify(result)}\n`);
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    process.stderr.write('\nvnet: taking back what nobody has begun; once more to stop at once\n');
    stop.abort();
  };
  for (const name of endSignals) process.on(name, onSignal);
  const progress = new Progress('images', inputs.length);
  const failures: Failure[] = [...batch.failures];
  for (const failure of failures) tell(failure);
  let [predicted, kept] = [0, 0];
  const started = performance.now();
  try {
    const map = await predictByQueue({
      ...{ url, model, inputs, setup, chunk },
      tell: (message) => progress.log(message),
    });
    try {
      for await (const { index, error, written, ...result } of map.results(stop.signal)) {
        const image = inputs[index].file;
        if (error !== undefined) failures.push({ image, error });
        else if (result.kept) kept++;
        else predicted++;
        tell(error === undefined ? { image, ...result, ...written } : { image, error });
        const rate = (1000 * predicted) / (performance.now() - started);
        const notes = [formatRate(rate), `${map.workers} workers`];
        if (failures.length > 0) notes.push(`${failures.length} failed`);
        progress.update(predicted + kept + failures.length, ...notes);
      }
      if (map.counts.duplicates > 0)
        progress.log(
          `note: ${map.counts.duplicates} pictures were done twice, after a worker or Redis was lost`,
        );
    } finally {
      await map.close();
    }
  } finally {
    progress.stop();
    for (const name of endSignals) process.off(name, onSignal);
  }
  const done = predicted + kept + failures.length - batch.failures.length;
  if (failures.length > 0)
    await writeAtomic(list, Buffer.from(failures.map((failure) => `${JSON.stringify(failure)}\n`).join('')));
  if (stop.signal.aborted && done < inputs.length) {
    throw new Stopped(`stopped after ${done} of ${inputs.length} pictures`, [
      ...['vnet', ...process.argv.slice(2)],
    ]);
  }
  await removeLeftovers(setup.out, inputs);
  if (batch.after) {
    try {
      const failed = new Set(failures.map(({ image }) => image));
      for (const input of inputs) if (!failed.has(input.file)) await batch.after.done?.(input);
      await batch.after.finish?.();
    } catch (error) {
      await batch.after.abort?.();
      throw error;
    }
  }
  if (!json && predicted + kept > 0) {
    const rate = formatRate((1000 * predicted) / (performance.now() - started));
    const parts = [predicted > 0 && `${predicted} images (${rate})`, kept > 0 && `${kept} done before`];
    process.stdout.write(`${parts.filter(Boolean).join(', ')}: ${setup.out}\n`);
  }
  if (failures.length === 0) return;
  const total = inputs.length + batch.failures.length;
  throw new UserError(`${failures.length} of ${total} pictures failed, listed in ${list}`);
}
