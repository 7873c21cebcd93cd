import { openDataset } from '../../data/datasets.js';
import { fingerprint } from '../../data/fingerprint.js';
import { Loader } from '../../data/loader.js';
import { UserError } from '../../errors.js';
import { SampleScorer } from '../../eval/evaluate.js';
import { Predictor } from '../../eval/predictor.js';
import type { SampleJob, SampleResult } from '../contract.js';
import { keptSeconds, keysOf, sampleJob, sampleSetup } from '../contract.js';
import { type Bench, checkBackend, readSetup, type Session, type Task } from '../task.js';
import { otherData } from './gradients.js';
import { readRunModel } from './model.js';

/** Scores of the images of a data set. @param data where it lies for this worker. */
export const sampleTask = (data: string): Task<SampleJob> => ({
  kind: 'samples',
  job: sampleJob,
  async open(run, bench) {
    const { redis, backend, threads, workers } = bench;
    const setup = await readSetup(redis, run, sampleSetup);
    if (!setup) return undefined;
    checkBackend(run, setup.backend, backend);
    const { split, precision, view } = setup;
    const dataset = await openDataset(data, { split });
    const own = await fingerprint(dataset, split);
    if (own !== setup.fingerprint)
      throw otherData(data, run, `images in split '${split}'`, own, setup.fingerprint);
    const model = await readRunModel(redis, run, setup.model);
    if (!model) return undefined;
    if (view.resize === 'own') throw new UserError(`run ${run}: its setup is none of this program's`);
    const predictor = new Predictor(model.network, model.weights, { backend, threads, precision });
    const options = { ...view, resize: view.resize, split, classes: model.info.classes };
    const scorer = await SampleScorer.open(predictor, dataset, options);
    return new SampleSession(bench, predictor, scorer, new Loader(dataset, split, { workers: workers ?? 1 }));
  },
});

class SampleSession implements Session<SampleJob> {
  constructor(
    private readonly bench: Bench,
    private readonly predictor: Predictor,
    private readonly scorer: SampleScorer,
    private readonly loader: Loader,
  ) {}

  async compute({ run, first, count }: SampleJob): Promise<void> {
    const { scorer, loader, bench } = this;
    const { samples } = scorer;
    const start = performance.now();
    let index = first;
    try {
      for await (const batch of loader.batches(0, first)) {
        const { confusion, instances, ms } = await scorer.score(samples[index], batch);
        loader.recycle(batch);
        await this.answer(run, {
          index,
          confusion: confusion.values(),
          ms,
          instances: instances && [...instances],
        });
        if (++index === first + count) break;
      }
    } catch (error) {
      // An evaluation lacks nothing: a file that cannot be used ends it, as it does in one process.
      if (!(error instanceof UserError)) throw error;
      await this.answer(run, { index, error: error.message });
    }
    const what = `${count} images from ${first + 1} on`;
    bench.onEvent?.({ type: 'done', kind: 'samples', what, ms: performance.now() - start });
  }

  async close(): Promise<void> {
    await this.loader.close();
    await this.predictor.dispose();
  }

  private async answer(run: string, result: SampleResult): Promise<void> {
    const { done } = keysOf(run);
    const replies = await this.bench.redis
      .multi()
      .rpush(done, JSON.stringify(result))
      .expire(done, keptSeconds)
      .exec();
    for (const [error] of replies ?? []) if (error) throw error;
  }
}
