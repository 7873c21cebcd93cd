import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import * as Plot from '@observablehq/plot';
import { Command, InvalidArgumentError, Option } from 'commander';
import { writeAtomic } from '../data/files.js';
import { UserError } from '../errors.js';
import { namesApart, renderChart } from '../report/chart.js';
import { published } from '../report/published.js';
import type { Limit, Limiter } from './cpuShare.js';
import { limiter, limits } from './cpuShare.js';
import { csvTable, markdownTable, networksOption } from './markdown.js';
import type { PixelSize } from './options.js';
import { formatSize, jsonOption, sizeOption, whole } from './options.js';

interface Fig6Flags {
  readonly networks: readonly string[];
  readonly size: PixelSize;
  readonly shares: readonly number[];
  readonly runs: number;
  readonly limit: Limit;
  readonly csv?: string;
  readonly svg?: string;
  readonly json?: boolean;
}

interface Point {
  readonly network: string;
  /** Percent of one core. */
  readonly share: number;
  /** Images per second: of the median run, the slowest and the fastest. */
  readonly fps: number;
  readonly low: number;
  readonly high: number;
}

export const fig6Command = (): Command =>
  new Command('fig6')
    .summary('frames per second under a limited share of one core')
    .description(
      'Prints frames per second of inference (image bytes in, label bytes out) on one thread whose process is held to ' +
        'a share of one core, as on a small device: Figure 6 of the paper. Every measurement is a process of its own.',
    )
    .addOption(networksOption(['vnet', 'espnet', 'enet', 'erfnet']))
    .addOption(sizeOption({ height: 512, width: 1024 }))
    .addOption(
      new Option('--shares <list>', 'percent of one core')
        .argParser(shareList)
        .default([25, 50, 75, 100], '25,50,75,100'),
    )
    .addOption(new Option('--runs <n>', 'timed runs; the median counts').argParser(whole(1, 1000)).default(5))
    .addOption(
      new Option(
        '--limit <how>',
        "quota: a control group's, Linux only; pauses: stop and continue, coarser; auto: quota where possible",
      )
        .choices(limits)
        .default('auto'),
    )
    .option('--csv <file>', 'also write comma-separated values')
    .option('--svg <file>', 'also draw frames per second over the share')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  vnet fig6 --svg figure6.svg\n  vnet fig6 --networks vnet,enet --size 1024x2048 --shares 10,50,100',
    )
    .action(run);

/** `25,50,100` as numbers. */
function shareList(text: string): number[] {
  const shares = text.split(',').map(Number);
  if (shares.every((share) => Number.isInteger(share) && share >= 1 && share <= 100)) return shares;
  throw new InvalidArgumentError('Expected percents from 1 to 100, such as 25,50,75,100.');
}

async function run(flags: Fig6Flags): Promise<void> {
  const { networks, size, shares, json } = flags;
  const limit = limiter(flags.limit);
  const points: Point[] = [];
  for (const network of networks) {
    for (const share of shares) {
      const rate = await measure(limit, network, share, flags);
      points.push({ network, share, ...rate });
      process.stderr.write(`${network} at ${share} % of a core: ${withSpread(rate)} images/s\n`);
    }
  }
  const titles = ['network', ...shares.map((share) => `${share} % of a core`)];
  const rows = networks.map((name) => [
    published[name].title,
    ...points.filter(({ network }) => network === name).map(withSpread),
  ]);
  const cpu = cpus()[0].model;
  if (json) {
    const result = { ...size, cpu, node: process.version, limit: limit.name, runs: flags.runs, points };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } else {
    const machine = `${cpu}, one thread, ${limit.name}, Node ${process.version}`;
    process.stdout.write(
      `Frames per second at ${formatSize(size)}, 19 classes: median of ${flags.runs} runs (slowest to fastest); ${machine}.\n\n${markdownTable(titles, rows)}\n`,
    );
  }
  if (flags.csv) {
    const lines = points.map(({ network, share, fps, low, high }) =>
      [published[network].title, share, ...[fps, low, high].map((rate) => rate.toFixed(2))].map(String),
    );
    const csv = csvTable(['network', 'share of a core, %', 'frames per second', 'slowest', 'fastest'], lines);
    await writeAtomic(flags.csv, Buffer.from(csv));
  }
  if (flags.svg) await writeAtomic(flags.svg, Buffer.from(chart(points, shares)));
}

const program = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));

type Rate = Pick<Point, 'fps' | 'low' | 'high'>;

const withSpread = ({ fps, low, high }: Rate): string =>
  `${fps.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;

/** Images per second of `vnet bench` in a process held to `share` percent of a core. */
async function measure(
  limit: Limiter,
  network: string,
  share: number,
  { size, runs }: Fig6Flags,
): Promise<Rate> {
  const command = [process.execPath, program, 'bench', '--net', network, '--threads', '1', '--json'];
  command.push('--size', `${size.height}x${size.width}`, '--runs', String(runs));
  const { child, release } = limit.start(command, share / 100);
  let text = '';
  child.stdout!.on('data', (part: Buffer) => {
    text += part.toString();
  });
  const code = await new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  release();
  if (code !== 0) throw new UserError(`the measurement of ${network} ended with ${code}`);
  const { medianMs, ms } = JSON.parse(text) as { medianMs: number; ms: readonly number[] };
  return { fps: 1000 / medianMs, low: 1000 / Math.max(...ms), high: 1000 / Math.min(...ms) };
}

const colours = ['var(--accent)', 'var(--accent-2)', 'var(--accent-3)', 'var(--soft)'];

/** One line for each network, named at its end. */
function chart(points: readonly Point[], shares: readonly number[]): string {
  const names = [...new Set(points.map(({ network }) => network))];
  const drawn = points.map((point) => ({
    ...point,
    title: published[point.network].title,
    colour: colours[names.indexOf(point.network) % colours.length],
  }));
  const last = Math.max(...shares);
  const place = { x: 'share', y: 'fps' } as const;
  return renderChart(
    {
      ariaLabel: 'Frames per second over the share of one core',
      width: 560,
      height: 320,
      marginRight: 90,
      x: { label: 'share of one core, %', domain: [0, 100], ticks: [...shares] },
      y: { label: 'frames per second', grid: true, zero: true, ticks: 5 },
      color: { type: 'identity' },
      marks: [
        Plot.ruleY([0], { strokeOpacity: 0.4 }),
        Plot.lineY(drawn, { ...place, z: 'title', stroke: 'colour', strokeWidth: 2.2 }),
        Plot.ruleX(drawn, { x: 'share', y1: 'low', y2: 'high', stroke: 'colour', strokeWidth: 1.4 }),
        Plot.dot(drawn, { ...place, fill: 'colour', r: 3.5 }),
        Plot.text(
          namesApart(
            drawn.filter(({ share }) => share === last),
            ({ fps }) => fps,
          ),
          { x: 'share', y: 'at', text: 'title', dx: 8, textAnchor: 'start', fill: 'colour' },
        ),
      ],
    },
    { standalone: true },
  );
}
