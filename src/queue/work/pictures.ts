import { endsAll, Labeller, withoutName } from '../../batch/labeller.js';
import { fileWriter } from '../../batch/outputs/files.js';
import { outputKinds } from '../../batch/outputs/kinds.js';
import type { Writer } from '../../batch/outputs/writer.js';
import { readBytes } from '../../data/files.js';
import { mostPictureBytes, type Source } from '../../data/sources/source.js';
import { UserError } from '../../errors.js';
import { Predictor } from '../../eval/predictor.js';
import type { Model } from '../../model/model.js';
import type { PictureJob, PictureResult, PictureSetup } from '../contract.js';
import { keptSeconds, keysOf, pictureJob, pictureSetup } from '../contract.js';
import type { Roots } from '../roots.js';
import { type Bench, checkBackend, readSetup, type Session, type Task } from '../task.js';
import { readRunModel } from './model.js';

/** Labels of pictures. @param roots where pictures and results may lie. */
export const pictureTask = (roots: Roots): Task<PictureJob> => ({
  kind: 'pictures',
  job: pictureJob,
  async open(run, bench) {
    const { redis, backend, threads } = bench;
    const setup = await readSetup(redis, run, pictureSetup);
    if (!setup) return undefined;
    checkBackend(run, setup.backend, backend);
    await roots.check(setup.out);
    const model = await readRunModel(redis, run, setup.model);
    if (!model) return undefined;
    const { precision } = setup;
    const predictor = new Predictor(model.network, model.weights, { backend, threads, precision });
    return new PictureSession(run, bench, roots, setup, model, predictor);
  },
});

class PictureSession implements Session<PictureJob> {
  private readonly keys: ReturnType<typeof keysOf>;

  constructor(
    run: string,
    private readonly bench: Bench,
    private readonly roots: Roots,
    private readonly setup: PictureSetup,
    private readonly model: Model,
    private readonly predictor: Predictor,
  ) {
    this.keys = keysOf(run);
  }

  /** Results go back one by one; a job that comes a second time finds what was written. */
  async compute({ images }: PictureJob): Promise<void> {
    const { setup, model } = this;
    const sources = images.map(sourceOf);
    const kinds = outputKinds.filter(({ name }) => setup.kinds.includes(name));
    const writer = fileWriter(sources, model, { ...setup, kinds });
    const labeller = new Labeller(this.predictor, model, writer, setup.view);
    const start = performance.now();
    for (const [i, source] of sources.entries()) {
      const result = await this.label(source, writer, labeller, sources[i + 1]);
      if (!result) return;
      await this.answer({ index: source.index, ...result });
    }
    const what = `${images.length} pictures from ${images[0].index + 1} on`;
    this.bench.onEvent?.({ type: 'done', kind: 'pictures', what, ms: performance.now() - start });
  }

  close(): Promise<void> {
    return this.predictor.dispose();
  }

  /**
   * @param next begins to be read meanwhile. @returns undefined where nobody waits for results any more.
   * @throws what would meet every other picture too.
   */
  private async label(
    source: ReadAhead,
    writer: Writer,
    labeller: Labeller,
    next: ReadAhead | undefined,
  ): Promise<Omit<PictureResult, 'index'> | undefined> {
    const { tries } = this.setup;
    try {
      await this.roots.check(source.file);
      const before = await writer.done?.(source);
      if (before) return { kept: true, written: before };
      const { awaited, begun, fresh } = await this.count(source, next);
      if (!awaited) return undefined;
      if (begun > tries)
        return { error: `was begun ${tries} times and never finished; is it too large, or damaged?` };
      // Not what others have begun and not finished: what its workers die of may be its reading.
      if (next && fresh) await this.roots.check(next.file).then(next.begin, () => undefined);
      const { written, shownAt, ...result } = await labeller.label(source);
      return {
        ...result,
        ...(shownAt ? { shownAt } : {}),
        written: written as Record<string, string>,
      };
    } catch (error) {
      if (!(error instanceof UserError) || endsAll(error)) throw error;
      return { error: withoutName(error.message, source.file) };
    }
  }

  /**
   * Counts that a picture is begun, before anything of it is read: it may be what its workers die of. In one
   * transaction with the look at whether its run goes on, since the counts go with the run.
   * @returns whether somebody waits for results, how often this was begun, and whether nobody has begun `next` and not finished.
   */
  private async count({ index }: ReadAhead, next: ReadAhead | undefined) {
    const { alive, tries } = this.keys;
    const replies = await this.bench.redis
      .multi()
      .exists(alive)
      .hincrby(tries, String(index), 1)
      .hexists(tries, String(next?.index))
      .expire(tries, keptSeconds)
      .exec();
    const [awaited, begun, known] = (replies ?? []).map(([error, value]) => {
      if (error) throw error;
      return Number(value);
    });
    return { awaited: awaited === 1, begun, fresh: known === 0 };
  }

  private async answer(result: PictureResult): Promise<void> {
    const { done, tries } = this.keys;
    const answer = this.bench.redis.multi().rpush(done, JSON.stringify(result)).expire(done, keptSeconds);
    // What was given up stays so, for jobs that come a second time.
    if (result.error === undefined) answer.hdel(tries, String(result.index));
    const replies = await answer.expire(tries, keptSeconds).exec();
    for (const [error] of replies ?? []) if (error) throw error;
  }
}

interface ReadAhead extends Source {
  /** Of the picture in the list of the run. */
  readonly index: number;
  /** Begins to read, while another is computed. */
  readonly begin: () => void;
}

function sourceOf({ index, file, name, stamp }: PictureJob['images'][number]): ReadAhead {
  let bytes: Promise<Buffer> | undefined;
  const read = () => {
    bytes ??= readBytes(file, mostPictureBytes);
    return bytes;
  };
  return {
    ...{ index, file, name, plain: true, read },
    stamp: () => stamp,
    // A failure is told when it is read.
    begin: () => void read().catch(() => undefined),
  };
}
