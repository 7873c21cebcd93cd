import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Backend } from '../backends/backend.js';
import { compileTraining } from '../compile.js';
import { writeAtomic } from '../data/files.js';
import { Predictor } from '../eval/predictor.js';
import type { Policy } from '../graph/differentiate.js';
import { policies } from '../graph/differentiate.js';
import type { Plan } from '../graph/planned.js';
import { loadModel } from '../model/load.js';
import { networkFromConfig } from '../nets/index.js';
import { validationResize } from '../train/config.js';
import type { TrainEvent, TrainResult } from '../train/events.js';
import { openTrainingData } from '../train/training-data.js';
import { renderReport } from './html.js';
import { chooseSamples, predictedPictures, samplesSoFar } from './pictures.js';
import type { RunRecord } from './record.js';
import { readRun } from './record.js';
import { runReport } from './run.js';

/** Least seconds between two versions of the page while training. */
const refreshSeconds = 15;

export interface ReporterOptions {
  readonly backend: Backend;
  readonly threads?: number;
  /** Headline of the page. */
  readonly title?: string;
}

/** Keeps `report.html` of a run folder up to date while it is trained, and writes the final one. */
export class RunReporter {
  readonly file: string;
  private readonly rssBefore = process.memoryUsage.rss();
  private allocatedBytes: number | undefined;
  private size: { height: number; width: number } | undefined;
  private writtenAt = performance.now();
  private writing: Promise<void> = Promise.resolve();
  private busy = false;

  /** @param folder the run folder. */
  constructor(
    private readonly folder: string,
    private readonly options: ReporterOptions,
  ) {
    this.file = path.join(folder, 'report.html');
  }

  /** Takes part in the events of {@link train}. */
  onEvent(event: TrainEvent): void {
    if (event.type === 'start') this.size = { height: event.height, width: event.width };
    if (event.type === 'step') this.allocatedBytes = event.memory.allocatedBytes;
    // Right after a save the metrics file is complete.
    if (event.type !== 'saved' || this.busy) return;
    if ((performance.now() - this.writtenAt) / 1000 < refreshSeconds) return;
    this.busy = true;
    this.writing = this.writeRunning().finally(() => {
      this.busy = false;
      this.writtenAt = performance.now();
    });
    // The page is an extra: the training must not end for it. The final one reports its errors.
    this.writing.catch(() => undefined);
  }

  /** Writes the final page, with predictions of the best (else the last) model. @returns its path. */
  async finish(result: TrainResult): Promise<string> {
    await this.writing.catch(() => undefined);
    const run = await readRun(this.folder);
    const model = await loadModel(result.best ?? result.last);
    const { backend, threads = availableParallelism() } = this.options;
    const { config } = run;
    const dataset = await openTrainingData(config);
    const hasTruth = dataset.splits.includes(config.valSplit) && (await dataset.hasLabels(config.valSplit));
    const split = hasTruth ? config.valSplit : config.trainSplit;
    const chosen = chooseSamples(run, dataset.samples(split));
    const predictor = new Predictor(model.network, model.weights, { backend, threads, sizes: 1 });
    const view = { resize: validationResize(config) };
    try {
      await this.write(run, {
        running: false,
        samples: await predictedPictures(predictor, dataset, chosen.samples, view),
        worst: await predictedPictures(predictor, dataset, chosen.worst, view),
      });
    } finally {
      await predictor.dispose();
    }
    return this.file;
  }

  private async writeRunning(): Promise<void> {
    const run = await readRun(this.folder);
    const { config } = run;
    const dataset = await openTrainingData(config);
    const hasTruth = dataset.splits.includes(config.valSplit);
    const samples = hasTruth ? await samplesSoFar(run, dataset, dataset.samples(config.valSplit)) : [];
    await this.write(run, { running: true, samples, worst: [] });
  }

  private async write(
    run: RunRecord,
    parts: Pick<Parameters<typeof runReport>[1], 'running' | 'samples' | 'worst'>,
  ): Promise<void> {
    const data = runReport(run, {
      ...parts,
      title: this.options.title,
      plans: this.plans(run),
      allocatedBytes: this.allocatedBytes,
      rss: { before: this.rssBefore, peak: 1024 * process.resourceUsage().maxRSS },
    });
    await writeAtomic(this.file, Buffer.from(renderReport(data)));
  }

  /** The run's own plan first, then those of the other policies. */
  private plans({ config, info }: RunRecord): Map<Policy, Plan> {
    const network = networkFromConfig(info.network.name, info.network.config);
    const { height, width } = this.size!;
    const order = [config.policy, ...policies.filter((policy) => policy !== config.policy)];
    return new Map(
      order.map((policy) => [
        policy,
        compileTraining(network, {
          batch: config.batch,
          height,
          width,
          policy,
          precision: config.precision,
          losses: config.loss,
          labelSmoothing: config.labelSmoothing,
          classWeights: config.classWeights !== 'none',
          scratchBytes: this.options.backend.scratchBytes,
        }),
      ]),
    );
  }
}
