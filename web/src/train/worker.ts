/** Trains, so that the page stays free for people. */
import type { Backend, TrainResult } from '../library.ts';
import {
  DeviceError,
  decodeModel,
  MemoryError,
  modelOf,
  openDevice,
  openOpfs,
  readModelBytes,
  trainPictures,
} from '../library.ts';
import { sentence, withoutGpu } from '../parts/sentence.ts';
import { text } from '../text.ts';
import type { FromWorker, Job, ToWorker } from './protocol.ts';
import { runPlace } from './protocol.ts';
import { RunFiles } from './runFiles.ts';

const stop = new AbortController();
const tell = (message: FromWorker, transfer: Transferable[] = []) => postMessage(message, { transfer });

async function beginningOf({ beginning, resume }: Job, files: RunFiles) {
  if (resume || beginning === 'fresh') return undefined;
  const { best, last } = files.store;
  const own = beginning === 'own' ? ((await files.read(best)) ?? (await files.read(last))) : undefined;
  const bytes = own ?? (await readModelBytes());
  return modelOf(decodeModel(bytes, beginning), beginning);
}

async function run(job: Job, files: RunFiles): Promise<void> {
  const init = await beginningOf(job, files);
  if (!job.resume) {
    files.begin();
    // What the page needs to go on with this run after it was closed.
    const { train, validation, config, beginning } = job;
    const ids = (list: Job['train']) => list.map(({ id }) => id);
    const kept = { config, beginning, train: ids(train), validation: ids(validation) };
    await files.write('run.json', new TextEncoder().encode(JSON.stringify(kept)));
  }
  const trainOn = (device: Backend): Promise<TrainResult> =>
    trainPictures({
      ...job.config,
      train: job.train,
      validation: job.validation,
      classes: {
        name: 'own pictures',
        names: job.classes.map(({ name }) => name),
        colours: job.classes.map(({ colour: [r, g, b] }) => [r, g, b]),
      },
      store: files.store,
      resume: !files.isNew,
      init: files.isNew ? init : undefined,
      device,
      signal: stop.signal,
      onEvent: (event) => tell({ kind: 'event', event }),
      onPrediction: ({ id }, { data }, epoch) => {
        const labels = Uint8Array.from(data);
        tell({ kind: 'prediction', id, labels, epoch: epoch + 1 }, [labels.buffer]);
      },
    });
  const device = await openDevice('auto');
  const trained = trainOn(device).catch(async (error: unknown) => {
    const lost = error instanceof DeviceError;
    if (!lost && !(device.name === 'webgpu' && error instanceof MemoryError)) throw error;
    // All since the last checkpoint is done again.
    const last = files.isNew ? undefined : await files.store.readLast();
    const step = last?.progress.step ?? 0;
    const message = lost ? text.problems.gpuLostTraining(step) : withoutGpu(text.train.training, error);
    tell({ kind: 'notice', message });
    return trainOn(await openDevice('wasm'));
  });
  await trained.finally(() => files.flush());
}

async function start(job: Job): Promise<void> {
  const full = () => tell({ kind: 'notice', message: text.problems.storageFull, onlyHere: true });
  const files = new RunFiles(await openOpfs(runPlace).catch(() => undefined), new Map(job.held), full);
  let problem: string | undefined;
  try {
    await run(job, files);
  } catch (error) {
    problem = sentence(error, { name: text.train.training, way: 'training' });
  }
  tell({ kind: 'end', problem, held: files.held });
}

addEventListener('message', async ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'stop') {
    stop.abort();
    return;
  }
  const { job } = data;
  try {
    // Two tabs must not write to one run.
    await navigator.locks.request(runPlace, { ifAvailable: true }, (lock) => {
      if (!lock) throw new Error(text.problems.otherTab);
      return start(job);
    });
  } catch (error) {
    tell({ kind: 'end', problem: sentence(error), held: job.held });
  }
});
