import { Command, Option } from 'commander';
import { Choices } from '../backends/webgpu/choices.js';
import { everyWay } from '../backends/webgpu/kernels/index.js';
import { leastCapabilities } from '../backends/webgpu/kernels/kernel.js';
import { Lowering } from '../backends/webgpu/lowering.js';
import { roofs } from '../backends/webgpu/roofs.js';
import { countedChoices } from '../backends/webgpu/tuning/counted.js';
import { compileInference, compileTraining, inferenceGraph, trainingGraph } from '../compile.js';
import { scratchRuleOf } from '../device.js';
import { UserError } from '../errors.js';
import type { PlanCost, StageCost } from '../graph/cost.js';
import { costOf } from '../graph/cost.js';
import type { Policy } from '../graph/differentiate.js';
import { policies } from '../graph/differentiate.js';
import type { Watch } from '../graph/passes.js';
import type { Plan } from '../graph/planned.js';
import { formatShape } from '../ir/value.js';
import { writeDurable } from '../model/durable.js';
import type { Network } from '../nets/index.js';
import { networkFromConfig } from '../nets/index.js';
import type { OptimizerName } from '../optimizers/index.js';
import { optimizerNames } from '../optimizers/index.js';
import { formatBytes, formatCount, formatExact, formatGiga, formatMiB } from '../report/format.js';
import type { AfterPass } from '../report/graph/passes.js';
import { published } from '../report/published.js';
import type { CompileOptions } from '../run.js';
import { callTable } from './callTable.js';
import pc from './colour.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { deviceOptions, openBackend, precisionOption } from './device.js';
import type { GpuCosts } from './gpuCallTable.js';
import { gpuCallTable, gpuCosts, gpuCostsToJson } from './gpuCallTable.js';
import type { PixelSize } from './options.js';
import { formatSize, jsonOption, netOption, sizeOption, whole } from './options.js';
import type { PlanTime } from './plan-time.js';
import { measureTime, renderTime } from './plan-time.js';
import { formatTable } from './table.js';

interface PlanOptions extends DeviceFlags, PrecisionFlags {
  readonly size: PixelSize;
  readonly batch?: number;
  readonly mode: 'train' | 'infer';
  readonly policy: Policy;
  readonly optimizer: OptimizerName;
  readonly ema?: boolean;
  readonly classes: number;
  readonly net: string;
  readonly alpha?: number;
  readonly beta?: number;
  readonly calls?: boolean;
  readonly roof?: string;
  readonly fewest?: boolean;
  readonly time?: boolean;
  readonly epochs: number;
  readonly images: number;
  readonly graph?: string;
  readonly json?: boolean;
}

export function planCommand(): Command {
  const command = new Command('plan')
    .summary('exact memory and work of a run, before anything runs')
    .description(
      'Compiles the network and prints what a run will need, without running anything: the arena in bytes, ' +
        'the cost of every stage, the point of the peak, and the recomputation policies side by side.',
    )
    .addOption(sizeOption())
    .addOption(
      new Option('--batch <n>', 'images per step (default: 4 to train, 1 to infer)').argParser(
        whole(1, 4096),
      ),
    )
    .addOption(
      new Option('--mode <mode>', 'a training step or inference')
        .choices(['train', 'infer'])
        .default('train'),
    )
    .addOption(
      new Option('--policy <policy>', 'what the backward pass recomputes')
        .choices(policies)
        .default('reversible'),
    )
    .addOption(new Option('--optimizer <name>', 'of a training step').choices(optimizerNames).default('adam'))
    .option('--ema', 'with an average of the weights, as vnet train --ema keeps one')
    .addOption(netOption().default('vnet'))
    .addOption(new Option('--classes <n>', 'classes of the head').argParser(whole(2, 255)).default(19))
    .option('--alpha <n>', 'V modules of stage 2 of vnet (default: 1)', whole(0, 64))
    .option('--beta <n>', 'V modules of stage 3 of vnet (default: 2)', whole(0, 64))
    .option('--time', 'also measure a few steps here, and say how long a recipe takes')
    .addOption(new Option('--epochs <n>', 'of the recipe that --time tells').argParser(whole(1)).default(300))
    .addOption(
      new Option('--images <n>', 'of its training split')
        .argParser(whole(1))
        .default(2975, "2975, Cityscapes'"),
    )
    .option(
      '--calls',
      'also list every kernel call: what it writes and where, its private memory, the memory in use',
    )
    .addOption(
      new Option(
        '--roof <gpu>',
        'with --device webgpu --calls: as on that GPU, with the least time of every call there',
      ).choices(Object.keys(roofs)),
    )
    .option(
      '--fewest',
      'with --device webgpu --calls: the kernels that move the fewest bytes, not those by default',
    )
    .option(
      '--graph <file>',
      'also write the graph after every pass and the memory over time as an HTML page',
    );
  for (const option of [...deviceOptions(), precisionOption()]) command.addOption(option);
  return command
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet plan --size 1024x2048 --batch 4 --mode train --policy reversible\n' +
        '  vnet plan --time --epochs 100 --images 367 --size 360x480\n' +
        '  vnet plan --size 512x1024 --mode infer --calls --graph graph.html\n' +
        '  vnet plan --size 1024x2048 --mode infer --device webgpu --calls --fewest --roof h100',
    )
    .action(async (options: PlanOptions) => {
      const device = deviceOf(await scratchRuleOf(options.device, options.gpu), options);
      const result = planRun(options, device);
      if (options.graph !== undefined) await writeGraphPage(options.graph, result, device);
      const time = options.time ? await timeOf(result) : undefined;
      const json = () => JSON.stringify({ ...toJson(result), ...(time ? { time } : {}) }, null, 2);
      const shown = () => `${render(result)}${time ? `${renderTime(time)}\n\n` : ''}`;
      process.stdout.write(options.json ? `${json()}\n` : shown());
    });
}

/** Measures the step that was planned. */
async function timeOf({ options, network }: PlanResult): Promise<PlanTime> {
  const { mode, batch, size, policy, precision, epochs, images } = options;
  const device = await openBackend(options);
  const how = { mode, batch, ...size, precision, device, ...(mode === 'train' ? { policy } : {}) };
  return measureTime(network, how as CompileOptions, { epochs, images, batch });
}

type Device = Awaited<ReturnType<typeof scratchRuleOf>> & { readonly lowering?: Lowering };

/** On a GPU the calls depend on what it can do; without a named one, on what every GPU can. */
function deviceOf(device: Device, options: PlanOptions): Device {
  const { roof, fewest, calls } = options;
  if ((roof !== undefined || fewest) && (device.name !== 'webgpu' || !calls)) {
    throw new UserError(
      `--${fewest ? 'fewest' : 'roof'}: has a meaning only with --device webgpu --calls`,
      2,
    );
  }
  if (device.name !== 'webgpu') return device;
  const able = roof ? roofs[roof].able : leastCapabilities;
  const choices = fewest
    ? countedChoices(able, (scratchBytes) => [planned(options, { name: device.name, scratchBytes }).plan])
    : new Choices();
  const lowering = new Lowering(able, choices, everyWay);
  return { ...device, scratchBytes: lowering.rule, lowering };
}

interface PlanResult {
  readonly device: Device['name'];
  /** Of calls on a GPU. */
  readonly costs?: GpuCosts;
  readonly options: PlanOptions & { readonly batch: number };
  readonly network: Network;
  readonly plan: Plan;
  readonly cost: PlanCost;
  /** Plans of the same step under each policy; empty in inference. */
  readonly byPolicy: ReadonlyMap<Policy, { readonly plan: Plan; readonly cost: PlanCost }>;
}

function planRun(asked: PlanOptions, device: Device): PlanResult {
  const result = planned(asked, device);
  const { calls, roof } = result.options;
  if (!calls || !device.lowering) return result;
  return { ...result, costs: gpuCosts(result.plan, device.lowering, roof ? roofs[roof] : undefined) };
}

function planned(asked: PlanOptions, { name: device, scratchBytes }: Device): PlanResult {
  const options = { ...asked, batch: asked.batch ?? (asked.mode === 'train' ? 4 : 1) };
  const { batch, size, net, classes, alpha, beta, precision } = options;
  const depth = Object.entries({ alpha, beta }).filter(([, value]) => value !== undefined);
  if (net !== 'vnet' && depth.length > 0)
    throw new UserError(`--${depth[0][0]}: only vnet has it, not ${net}`, 2);
  const network = networkFromConfig(net, { classes, ...Object.fromEntries(depth) });
  const common = { batch, ...size, precision, scratchBytes };
  if (options.mode === 'infer') {
    const plan = compileInference(network, { ...common, consumesImages: true });
    return { device, options, network, plan, cost: costOf(plan), byPolicy: new Map() };
  }
  const byPolicy = new Map(
    policies.map((policy) => {
      const { optimizer, ema: average } = options;
      const plan = compileTraining(network, { ...common, policy, optimizer, average });
      return [policy, { plan, cost: costOf(plan) }];
    }),
  );
  return { device, options, network, ...byPolicy.get(options.policy)!, byPolicy };
}

/** Known figures for the step that the paper trains with: 4 images of 1024×2048, VNet(1, 2). */
const references = { pytorchPeakRssMB: 4810, paperGpuMB: 9345 };

function toJson({ device, options, network, plan, cost, byPolicy, costs }: PlanResult) {
  const { mode, batch, size, policy, net: name, classes } = options;
  const { alpha, beta } = network.config;
  return {
    network: { name, classes, alpha, beta },
    device,
    mode,
    precision: options.precision ?? 'f32',
    batch,
    ...size,
    ...(mode === 'train' ? { policy, optimizer: options.optimizer } : {}),
    parameters: plan.parameters,
    arenaBytes: plan.arenaBytes,
    persistentBytes: plan.persistentBytes,
    calls: plan.calls.length,
    peak: plan.peak,
    total: cost.total,
    stages: cost.stages,
    policies: Object.fromEntries(
      [...byPolicy].map(([name, { plan: other, cost: otherCost }]) => [
        name,
        { arenaBytes: other.arenaBytes, keptBytes: otherCost.total.keptBytes, flops: otherCost.total.flops },
      ]),
    ),
    ...(mode === 'train' && name === 'vnet' ? { references } : {}),
    timeline: plan.timeline,
    ...(costs ? { gpu: gpuCostsToJson(plan, costs) } : {}),
  };
}

/** What is planned, in words: the network, and the run. */
function titleOf({ device, options, network }: PlanResult): { title: string; run: string } {
  const { mode, batch, size, net, precision } = options;
  const { alpha, beta } = network.config;
  const title = net === 'vnet' ? `VNet(${alpha}, ${beta})` : published[net].title;
  const what = mode === 'train' ? `training step, policy ${options.policy}` : 'inference';
  const storage = precision && precision !== 'f32' ? ` in ${precision}` : '';
  return { title, run: `${batch} × ${formatSize(size)}, ${what}${storage} on ${device}` };
}

async function writeGraphPage(file: string, result: PlanResult, { scratchBytes }: Device): Promise<void> {
  const { options, network, plan } = result;
  const { batch, size, mode, policy, precision } = options;
  const { graphPage } = await import('../report/graph/page.js');
  const passes: AfterPass[] = [];
  const watch: Watch = (pass, graph) => passes.push({ pass, graph });
  const common = { batch, ...size, precision, scratchBytes };
  if (mode === 'infer') inferenceGraph(network, common, watch);
  else trainingGraph(network, { ...common, policy }, watch);
  const { title, run } = titleOf(result);
  await writeDurable(file, Buffer.from(graphPage(title, run, passes, plan)));
}

function render(result: PlanResult): string {
  const { options, plan, byPolicy } = result;
  const { title, run } = titleOf(result);
  const parts = [
    `${pc.bold(title)}, ${options.classes} classes: ` +
      `${pc.bold(formatCount(plan.parameters))} parameters (${formatExact(plan.parameters)})\n` +
      `${run}: ${plan.calls.length} kernel calls`,
    renderArena(plan),
    renderStages(result),
  ];
  if (byPolicy.size > 0) parts.push(renderPolicies(result));
  if (options.calls) parts.push(renderCalls(result));
  return `\n${parts.join('\n\n')}\n\n`;
}

function renderCalls({ options, plan, costs }: PlanResult): string {
  if (!costs) return callTable(plan);
  const roof = options.roof ? roofs[options.roof] : undefined;
  const note = roof
    ? `Roofs of ${roof.title}: ${roof.gbytes} GB/s, ${roof.f32} TFLOP/s in float32, ${roof.f16} in float16.`
    : 'Kernels that every GPU can run; --roof names one.';
  return `${gpuCallTable(plan, costs, roof)}\n${pc.dim(`${note}\nA tensor counts once a dispatch that reads or writes it.`)}`;
}

function renderArena(plan: Plan): string {
  const at = plan.timeline.indexOf(plan.peak);
  const rows = [
    ['arena', formatBytes(plan.arenaBytes), `all a run needs, exactly ${formatExact(plan.arenaBytes)} bytes`],
    ['persistent', formatBytes(plan.persistentBytes), 'inputs, parameters, their state'],
    ['peak', formatBytes(plan.peak.bytes), `in ${plan.peak.label} (${plan.peak.phase}, call ${at + 1})`],
  ];
  const width = Math.max(...rows.map((row) => row[1].length));
  const lines = rows.map(([name, value, note], i) => {
    const shown = value.padStart(width);
    return `${name.padEnd(11)} ${i === 0 ? pc.bold(pc.green(shown)) : shown}   ${pc.dim(note)}`;
  });
  return [
    ...lines,
    `${'in use'.padEnd(11)} ${pc.cyan(sparkline(plan))}  ${pc.dim('first to last call')}`,
  ].join('\n');
}

/** The memory timeline in block characters, each the highest of its share of the calls. */
function sparkline(plan: Plan, cells = 44): string {
  const blocks = '▁▂▃▄▅▆▇█';
  const bars = Array.from(
    { length: Math.min(cells, plan.timeline.length) },
    (_, i, { length } = { length: cells }) => {
      const points = plan.timeline.slice(
        Math.floor((i * plan.timeline.length) / length),
        Math.max(1, Math.floor(((i + 1) * plan.timeline.length) / length)),
      );
      return Math.max(...points.map((point) => point.bytes));
    },
  );
  return bars.map((bytes) => blocks[Math.min(7, Math.floor((8 * bytes) / plan.arenaBytes))]).join('');
}

function renderStages({ options, plan, cost }: PlanResult): string {
  const training = options.mode === 'train';
  const row = (name: string, output: string, stage: Omit<StageCost, 'stage'>): string[] => [
    name,
    output,
    stage.parameters === 0 ? '–' : formatCount(stage.parameters),
    formatMiB(stage.activationBytes),
    ...(training ? [formatMiB(stage.keptBytes)] : []),
    formatMiB(stage.peakBytes),
    formatGiga(stage.flops.forward),
    ...(training ? [formatGiga(stage.flops.recompute), formatGiga(stage.flops.backward)] : []),
  ];
  const columns = [
    { title: 'stage' },
    { title: 'output', rank: 1 },
    { title: 'params', align: 'right', rank: 3 },
    { title: 'written', align: 'right', rank: 4 },
    ...(training ? [{ title: 'kept', align: 'right' } as const] : []),
    { title: 'in use', align: 'right' },
    { title: 'forward', align: 'right' },
    ...(training
      ? ([
          { title: 'recompute', align: 'right', rank: 2 },
          { title: 'backward', align: 'right' },
        ] as const)
      : []),
  ] as const;
  const rows = cost.stages.map((stage) =>
    row(stage.stage, stage.output ? formatShape(stage.output) : '', stage),
  );
  const table = formatTable(
    columns,
    [...rows, row('total', '', { ...cost.total, parameters: plan.parameters })],
    {
      total: true,
    },
  );
  const kept = training ? ', kept of it for the backward pass' : '';
  return `${table}\n${pc.dim(`MiB of activations written${kept}, arena in use while the stage runs; work in GFLOP`)}`;
}

function renderPolicies({ options, byPolicy }: PlanResult): string {
  const smallest = Math.min(...[...byPolicy.values()].map(({ plan }) => plan.arenaBytes));
  const rows = [...byPolicy].map(([name, { plan, cost }]) => {
    const { forward, recompute, backward } = cost.total.flops;
    return [
      name === options.policy ? `${name} ←` : name,
      formatBytes(plan.arenaBytes),
      `${(plan.arenaBytes / smallest).toFixed(2)}×`,
      formatBytes(cost.total.keptBytes),
      `${((forward + recompute + backward) / 1e9).toFixed(0)}`,
      recompute === 0 ? '–' : `+${((100 * recompute) / (forward + backward)).toFixed(0)} %`,
    ];
  });
  const table = formatTable(
    [
      { title: 'policy' },
      { title: 'arena', align: 'right' },
      { title: '', align: 'right', rank: 1 },
      { title: 'kept', align: 'right', rank: 2 },
      { title: 'GFLOP', align: 'right', rank: 3 },
      { title: 'recomputed', align: 'right' },
    ],
    rows,
  );
  if (options.net !== 'vnet') return table;
  const note =
    `For comparison, VNet(1, 2) at 4 × 1024×2048: PyTorch's process peaks at ${references.pytorchPeakRssMB} MB, ` +
    `the paper's GPU run takes ${references.paperGpuMB} MB.`;
  return `${table}\n${pc.dim(note)}`;
}
