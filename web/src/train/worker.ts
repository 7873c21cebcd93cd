/** Trains, so that the page stays free for people. */
import { decodeModel, FilesStore, modelOf, openOpfs, readModelBytes, trainPictures } from '../library.ts';
import { text } from '../text.ts';
import type { FromWorker, Job, ToWorker } from './protocol.ts';
import { runPlace } from './protocol.ts';

const stop = new AbortController();
const tell = (message: FromWorker, transfer: Transferable[] = []) => postMessage(message, { transfer });

async function beginningOf(
  { beginning, resume }: Job,
  store: FilesStore,
  read: (name: string) => Promise<Uint8Array | undefined>,
) {
  if (resume || beginning === 'fresh') return undefined;
  const own = beginning === 'own' ? ((await read(store.best)) ?? (await read(store.last))) : undefined;
  const bytes = own ?? (await readModelBytes());
  return modelOf(decodeModel(bytes, beginning), beginning);
}

async function run(job: Job): Promise<void> {
  const files = await openOpfs(runPlace);
  const store = new FilesStore(files);
  const init = await beginningOf(job, store, (name) => files.read(name));
  if (!job.resume) {
    // What the page needs to go on with this run after it was closed.
    const { train, validation, config, beginning } = job;
    const ids = (list: Job['train']) => list.map(({ id }) => id);
    const kept = { config, beginning, train: ids(train), validation: ids(validation) };
    // First what may fail: without room for it, the model of the run before stays.
    await files.write('run.json', new TextEncoder().encode(JSON.stringify(kept)));
    await files.remove(store.best);
  }
  const { interrupted } = await trainPictures({
    ...job.config,
    train: job.train,
    validation: job.validation,
    classes: {
      name: 'own pictures',
      names: job.classes.map(({ name }) => name),
      colours: job.classes.map(({ colour: [r, g, b] }) => [r, g, b]),
    },
    store,
    resume: job.resume,
    init,
    device: 'auto',
    signal: stop.signal,
    onEvent: (event) => tell({ kind: 'event', event }),
    onPrediction: ({ id }, { data }, epoch) => {
      const labels = Uint8Array.from(data);
      tell({ kind: 'prediction', id, labels, epoch: epoch + 1 }, [labels.buffer]);
    },
  });
  tell({ kind: 'end', interrupted });
}

addEventListener('message', async ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'stop') {
    stop.abort();
    return;
  }
  try {
    // Two tabs must not write to one run.
    await navigator.locks.request(runPlace, { ifAvailable: true }, (lock) => {
      if (!lock) throw new Error(text.problems.otherTab);
      return run(data.job);
    });
  } catch (error) {
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});
