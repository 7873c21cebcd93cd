import path from 'node:path';
import type { Rgb } from '../data/classes.js';
import { costOf } from '../graph/cost.js';
import type { Policy } from '../graph/differentiate.js';
import type { Plan } from '../graph/planned.js';
import type { Fact, MemoryFacts, ReportData, SampleImages } from './data.js';
import { formatBytes, formatCount, formatDuration, formatRate, formatScore } from './format.js';
import type { RunRecord } from './record.js';
import { bestValidation, lossCurve, scoreCurve, timesOf } from './record.js';

/** What a run folder does not tell. */
export interface RunSurroundings {
  readonly running: boolean;
  /** Headline of the page. Default: the network and the data set's folder. */
  readonly title?: string;
  /** Plans of the run's training step, its own policy first. */
  readonly plans: ReadonlyMap<Policy, Plan>;
  /** Bytes that the backend allocated for its own plan. */
  readonly allocatedBytes?: number;
  /** Resident memory of the process in bytes: before the training, and the highest. */
  readonly rss?: { readonly before: number; readonly peak: number };
  readonly samples: readonly SampleImages[];
  readonly worst: readonly SampleImages[];
}

/** The report of a training run. */
export function runReport(run: RunRecord, around: RunSurroundings): ReportData {
  const { config, info } = run;
  const best = bestValidation(run);
  const [[, plan]] = around.plans;
  const size = plan.slots.images.shape;
  const epochs =
    run.validations[run.validations.length - 1]?.epoch ?? run.steps[run.steps.length - 1]?.epoch ?? -1;
  const progress = around.running
    ? `epoch ${Math.min(config.epochs, epochs + 2)} of ${config.epochs}`
    : `${config.epochs} epochs`;
  return {
    title: around.title ?? `${networkName(info)} on ${path.basename(path.resolve(config.data))}`,
    subtitle: `${info.classes.names.length} classes, ${config.batch} × ${size[1]}×${size[2]} pixels a step, ${progress}`,
    running: around.running,
    headline: headline(run, around, plan),
    loss: lossCurve(run),
    scores: scoreCurve(run),
    classes: info.classes.names.map((name, i) => ({
      name,
      colour: info.classes.colours[i] as Rgb,
      iou: best?.classIou[i] ?? undefined,
    })),
    ...(run.images.length > 0 ? { images: run.images.length } : {}),
    memory: memoryFacts(around, plan),
    time: timeFacts(run, plan),
    settings: settingsOf(run),
    samples: around.samples,
    worst: around.worst,
  };
}

function networkName({ network }: RunRecord['info']): string {
  const { alpha, beta } = network.config;
  return network.name === 'vnet' ? `VNet(${alpha}, ${beta})` : network.name;
}

function headline(run: RunRecord, { rss }: RunSurroundings, plan: Plan): Fact[] {
  const best = bestValidation(run);
  const times = timesOf(run);
  const facts: Fact[] = [];
  if (best) {
    facts.push(
      {
        label: 'validation mIoU',
        value: `${formatScore(best.miou)} %`,
        note: `best, epoch ${best.epoch + 1}${run.images.length > 0 ? `, on ${run.images.length} images` : ''}`,
      },
      { label: 'pixel accuracy', value: `${formatScore(best.pixelAccuracy)} %` },
    );
  }
  facts.push({ label: 'parameters', value: formatCount(plan.parameters) });
  if (times.trainingSeconds > 0) {
    facts.push({
      label: 'training time',
      value: formatDuration(times.trainingSeconds),
      note: formatRate(times.imagesPerSecond),
    });
  }
  facts.push({
    label: 'memory of a step',
    value: formatBytes(plan.arenaBytes),
    ...(rss ? { note: `process at its peak ${formatBytes(rss.peak)}` } : {}),
  });
  return facts;
}

function memoryFacts({ plans, rss, allocatedBytes }: RunSurroundings, plan: Plan): MemoryFacts {
  const facts: Fact[] = [];
  for (const [policy, { arenaBytes }] of plans) {
    const own = arenaBytes === plan.arenaBytes && facts.length === 0;
    facts.push({
      label: own ? `Planned, policy ${policy}` : `With policy ${policy} it would be`,
      value: formatBytes(arenaBytes),
      ...(own ? { note: 'the arena: all a step needs, known before it runs' } : {}),
    });
  }
  if (allocatedBytes) {
    facts.push({
      label: 'Allocated',
      value: formatBytes(allocatedBytes),
      note: 'the arena and the threads around it',
    });
  }
  if (rss) {
    facts.push(
      { label: 'Process before training', value: formatBytes(rss.before), note: 'measured, resident' },
      {
        label: 'Process at its peak',
        value: formatBytes(rss.peak),
        note: 'measured, resident; with decoded images, their threads and validation',
      },
    );
  }
  return { arenaBytes: plan.arenaBytes, timeline: plan.timeline, facts };
}

function timeFacts(run: RunRecord, plan: Plan): Fact[] {
  if (run.steps.length === 0) return [];
  const times = timesOf(run);
  const { forward, recompute, backward } = costOf(plan).total.flops;
  const flops = forward + recompute + backward;
  return [
    { label: 'Training', value: formatDuration(times.trainingSeconds) },
    { label: 'Validation', value: formatDuration(times.validationSeconds) },
    {
      label: 'One step',
      value: formatDuration(times.medianStepSeconds),
      note: `median, ${(flops / 1e9).toFixed(1)} GFLOP`,
    },
    { label: 'Speed', value: formatRate(times.imagesPerSecond) },
    {
      label: 'Waiting for data',
      value: `${(100 * times.dataWait).toFixed(1)} %`,
      note: 'share of the training time',
    },
  ];
}

/** The configuration without what was left at nothing. */
function settingsOf({ config }: RunRecord): Fact[] {
  return Object.entries(config)
    .filter(([name, value]) => value !== undefined && value !== false && !['out', 'resume'].includes(name))
    .map(([name, value]) => ({
      label: name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
      value: describe(value),
    }));
}

/** `192×384`, `crop: 192×384`, `name: vnet, config: –`. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return value.map(describe).join(value.length === 2 ? '×' : ', ');
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([name, part]) => `${name}: ${describe(part)}`);
  return parts.length > 0 ? parts.join(', ') : '–';
}
