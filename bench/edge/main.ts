/**
 * Frames per second under a limited share of one core, as on a small device (Figure 6 of the paper).
 *
 *     npm run bench:edge -- [--networks vnet,enet,erfnet,espnet] [--shares 25,50,75,100] [--runs 5] [--out docs/images]
 *
 * Each measurement is `vnet bench` on one thread in a process held to its share. Prints a Markdown table, writes
 * `edge.svg`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as Plot from '@observablehq/plot';
import { chartFile } from '../svg.js';
import { limiter } from './quota.js';

const { values: flags } = parseArgs({
  options: {
    networks: { type: 'string', default: 'vnet' },
    shares: { type: 'string', default: '25,50,75,100' },
    sizes: { type: 'string', default: '512x1024,1024x2048' },
    runs: { type: 'string', default: '5' },
    out: { type: 'string', default: 'docs/images' },
  },
});
const limit = limiter();

interface Point {
  readonly network: string;
  readonly size: string;
  /** Percent of a core. */
  readonly share: number;
  readonly fps: number;
}

async function measure(network: string, size: string, share: number): Promise<Point> {
  const command = [process.execPath, 'bin/vnet.js', 'bench', '--network', network, '--size', size];
  command.push('--threads', '1', '--runs', flags.runs, '--json');
  const { child, release } = limit.start(command, share / 100);
  let text = '';
  child.stdout!.on('data', (part: Buffer) => {
    text += part.toString();
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  release();
  if (code !== 0) throw new Error(`vnet bench --network ${network} ended with code ${code}`);
  const { medianMs } = JSON.parse(text) as { medianMs: number };
  return { network, size: size.replace('x', '×'), share, fps: 1000 / medianMs };
}

const points: Point[] = [];
const list = (flag: string) => flag.split(',');
for (const network of list(flags.networks)) {
  for (const size of list(flags.sizes)) {
    for (const share of list(flags.shares).map(Number)) points.push(await measure(network, size, share));
  }
}

const shares = list(flags.shares).map(Number);
console.log(`${cpus()[0].model}, one thread, ${limit.name}, Node ${process.version}; frames per second\n`);
console.log(`| network | size | ${shares.map((share) => `${share} % of a core`).join(' | ')} |`);
console.log(`| --- | --- |${shares.map(() => ' --- |').join('')}`);
const lines = [...new Set(points.map(({ network, size }) => `${network} | ${size}`))];
for (const line of lines) {
  const cells = points.filter(({ network, size }) => `${network} | ${size}` === line);
  console.log(`| ${line} | ${cells.map(({ fps }) => fps.toFixed(2)).join(' | ')} |`);
}

const colours = ['var(--accent)', 'var(--accent-2)', 'var(--accent-3)', 'var(--soft)'];
const drawn = points.map((point) => {
  const name = `${point.network} ${point.size}`;
  return {
    ...point,
    name,
    colour: colours[lines.indexOf(`${point.network} | ${point.size}`) % colours.length],
  };
});
await mkdir(flags.out, { recursive: true });
await writeFile(
  join(flags.out, 'edge.svg'),
  chartFile({
    ariaLabel: 'Frames per second over the share of one core',
    marginRight: 120,
    x: { label: 'share of one core, %', domain: [0, 100], ticks: shares },
    y: { label: 'frames per second', grid: true, zero: true, ticks: 5 },
    color: { type: 'identity' },
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.4 }),
      Plot.lineY(drawn, { x: 'share', y: 'fps', z: 'name', stroke: 'colour', strokeWidth: 2.2 }),
      Plot.dot(drawn, { x: 'share', y: 'fps', fill: 'colour', r: 3.5 }),
      Plot.text(
        drawn.filter(({ share }) => share === shares[shares.length - 1]),
        { x: 'share', y: 'fps', text: 'name', dx: 8, textAnchor: 'start', fill: 'colour' },
      ),
    ],
  }),
);
