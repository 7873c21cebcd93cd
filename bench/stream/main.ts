/**
 * `npm run bench:stream -- [PARTS]`: what the command line makes of a video beside `vnet bench` at the same size, labels
 * frame by frame beside `vnet predict` on extracted pictures, memory over many frames, latency of a live stream.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, Command } from 'commander';
import { whole } from '../../src/cli/options.js';
import { readLabels } from '../../src/data/label-image.js';
import { median } from '../../src/median.js';
import { timedRun } from './cpuTime.js';
import { measureLatency, measureReconnect } from './latency.js';

const parts = ['throughput', 'labels', 'memory', 'latency', 'reconnect'] as const;
const command = new Command('bench:stream')
  .description(
    'Videos and live streams through the command line.\n\n' +
      '  throughput  frames a second of a file of 360×480 and one of 1080×1920, in turn with `vnet bench` at that size\n' +
      '  labels      labels of a video are those of its frames extracted as PNG\n' +
      '  memory      resident memory over many frames\n' +
      '  latency     from the clock that is drawn into a frame to its labels\n' +
      '  reconnect   a live stream whose server is killed and comes back (with --python)',
  )
  .addArgument(new Argument('[parts...]', 'default: all').choices(parts))
  .option('--frames <dir>', 'pictures for the videos (default: a test picture of ffmpeg)')
  .option('--rounds <n>', 'of throughput', whole(1), 3)
  .option('--count <n>', 'frames of memory', whole(100), 10_000)
  .option(
    '--python <command>',
    'with GStreamer and its RTSP server: latency and reconnect over RTSP, not MPEG-TS',
  )
  .addHelpText('after', '\nExample:\n  npm run bench:stream -- throughput --frames camvid/val')
  .parse();
const { frames, rounds, count, python } = command.opts<{
  frames?: string;
  rounds: number;
  count: number;
  python?: string;
}>();
const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-stream-'));
const at = (name: string) => path.join(folder, name);
let faults = 0;
const fault = (text: string): void => {
  faults++;
  console.log(`FAULT: ${text}`);
};

const vnet = (...args: string[]): string =>
  execFileSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** A video of so many frames: those of the folder, again and again, or a test picture that moves. */
function makeClip(file: string, [height, width]: readonly [number, number], length: number): void {
  const source = frames
    ? ['-stream_loop', '-1', '-framerate', '25', '-pattern_type', 'glob', '-i', path.join(frames, '*.png')]
    : ['-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=25`];
  const { status, stderr } = spawnSync('ffmpeg', [
    ...['-v', 'error', '-y', ...source, '-frames:v', String(length), '-vf', `scale=${width}:${height}`],
    ...['-c:v', 'libx264', '-preset', 'fast', '-pix_fmt', 'yuv420p', file],
  ]);
  if (status !== 0) throw new Error(`ffmpeg: ${stderr}`);
}

/**
 * Three in turn: the network alone, a file to a file, raw frames to labels. ffmpeg decodes and
 * encodes on the same cores: what it takes is told, and the network's rate on what it leaves.
 */
function throughput(): void {
  const cores = availableParallelism();
  for (const [height, width, length] of [
    [360, 480, 900],
    [1080, 1920, 120],
  ] as const) {
    const clip = at(`${height}.mp4`);
    makeClip(clip, [height, width], length);
    const raw = at('raw.rgb');
    spawnSync('ffmpeg', ['-v', 'error', '-y', '-i', clip, '-f', 'rawvideo', '-pix_fmt', 'rgb24', raw]);
    const size = `${height}x${width}`;
    const shared = ['--resize', 'own', '--overwrite'];
    const ways = {
      'H.264 to H.264': () => timedRun(folder, [bin, 'predict', clip, ...shared, '--out', at('out.mp4')]),
      'raw to labels': () =>
        timedRun(folder, [bin, 'predict', '-', '--raw', size, ...shared, '--labels', at('labels.mkv')], raw),
    };
    const benches: number[] = [];
    const rates: Record<string, number[]> = {};
    const left: Record<string, number[]> = {};
    for (let round = 0; round < rounds; round++) {
      const options = ['--mode', 'infer', '--classes', '11', '--runs', String(Math.round(length / 4))];
      const { ms } = JSON.parse(vnet('bench', '--size', size, ...options, '--json')) as { ms: number[] };
      const bench = (1000 * ms.length) / ms.reduce((a, b) => a + b, 0);
      benches.push(bench);
      for (const [name, way] of Object.entries(ways)) {
        const { text, own, started } = way();
        const rate = Number(/([\d.]+) frames\/s/.exec(text)?.[1]);
        const share = (started * rate) / (cores * length);
        rates[name] = [...(rates[name] ?? []), rate];
        left[name] = [...(left[name] ?? []), rate / (bench * (1 - share))];
        console.log(
          `  ${size}, ${name}: ${rate} frames/s beside ${bench.toFixed(1)}; ${((1000 * own) / length).toFixed(1)} ms a frame of the processor, and ${((1000 * started) / length).toFixed(1)} ms of ffmpeg, ${percent(share)} of the cores`,
        );
      }
    }
    for (const name of Object.keys(ways)) {
      console.log(
        `${height}×${width}, ${name}: ${median(rates[name]).toFixed(1)} frames/s, vnet bench ${median(benches).toFixed(1)} images/s: ${percent(median(rates[name]) / median(benches))}; of its rate on what ffmpeg leaves ${percent(median(left[name]))}`,
      );
    }
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

async function sameLabels(): Promise<void> {
  makeClip(at('labels.mp4'), [360, 480], 50);
  const args = ['--labels', at('labels.mkv'), '--out', at('overlay.mp4'), '--overwrite'];
  vnet('predict', at('labels.mp4'), ...args);
  for (const [file, name] of [
    ['labels.mp4', 'frames'],
    ['labels.mkv', 'labels'],
  ]) {
    spawnSync('mkdir', ['-p', at(name)]);
    spawnSync('ffmpeg', ['-v', 'error', '-i', at(file), path.join(at(name), '%03d.png')]);
  }
  vnet('predict', at('frames'), '--out', at('predicted'), '--write', 'labels', '--overwrite');
  let same = 0;
  const names = readdirSync(at('labels')).sort();
  for (const name of names) {
    const video = await readLabels(path.join(at('labels'), name));
    const picture = await readLabels(path.join(at('predicted'), name.replace('.png', '_labels.png')));
    if (Buffer.compare(video.data, picture.data) === 0) same++;
  }
  const show = ['-v', 'error', '-count_frames', '-select_streams', 'v:0', '-of', 'csv=p=0'];
  const entries = ['-show_entries', 'stream=codec_name,width,height,duration,nb_read_frames'];
  for (const file of ['labels.mp4', 'overlay.mp4', 'labels.mkv']) {
    const told = spawnSync('ffprobe', [...show, ...entries, at(file)], { encoding: 'utf8' });
    console.log(`${file}: ${told.stdout.trim()}`);
  }
  console.log(
    `labels: ${same} of ${names.length} frames are those of vnet predict on the extracted pictures`,
  );
  if (same !== 50) fault('labels differ');
}

/** Resident memory and heap every thousand frames, told by a hook in the process, and their trend. */
async function memory(): Promise<void> {
  makeClip(at('long.mp4'), [96, 128], count);
  const lines = at('memory.jsonl');
  const hook = `import fs from 'node:fs';
    import { isMainThread } from 'node:worker_threads';
    const told = () => {
      const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
      fs.appendFileSync(${JSON.stringify(lines)}, JSON.stringify({ rss, heapUsed, external, arrayBuffers }) + '\\n');
    };
    if (isMainThread) setInterval(told, 250).unref();`;
  execFileSync(
    process.execPath,
    [
      ...['--import', `data:text/javascript,${encodeURIComponent(hook)}`],
      ...[
        bin,
        'predict',
        at('long.mp4'),
        '--resize',
        'own',
        '--out',
        at('long-out.mp4'),
        '--stats',
        at('s.jsonl'),
      ],
    ],
    { stdio: 'ignore', cwd: folder },
  );
  const frames = readFileSync(at('s.jsonl'), 'utf8').trim().split('\n').length;
  const samples = readFileSync(lines, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<'rss' | 'heapUsed', number>);
  for (const name of ['rss', 'heapUsed'] as const) {
    const series = samples.map((sample) => sample[name] / 2 ** 20);
    // The most in each tenth of the time; the first is that of loading and of the first collections.
    const tenths = Array.from({ length: 10 }, (_, i) =>
      Math.max(...series.slice((i * series.length) / 10, ((i + 1) * series.length) / 10)),
    );
    const slope = slopeOf(tenths.slice(1)) / (frames / 10_000);
    console.log(
      `memory: ${name}, at most in each tenth of ${frames} frames ${tenths.map((value) => value.toFixed(0)).join(', ')} MiB; trend ${slope.toFixed(2)} MiB a thousand frames`,
    );
    if (slope > 1) fault(`${name} grows`);
  }
  if (frames !== count) fault(`${frames} lines of statistics for ${count} frames`);
}

/** Of the line of least squares through values one apart. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const sum = values.reduce((total, value, i) => total + (i - middle) * value, 0);
  return sum / values.reduce((total, _, i) => total + (i - middle) ** 2, 0);
}

try {
  const chosen = command.args.length > 0 ? command.args : parts;
  if (chosen.includes('throughput')) throughput();
  if (chosen.includes('labels')) await sameLabels();
  if (chosen.includes('memory')) await memory();
  if (chosen.includes('latency')) {
    for (const fps of [10, 25]) {
      const told = await measureLatency({ fps, height: 360, width: 480, seconds: 10, python });
      console.log(told.text);
      if (told.p50 > 2000 / fps) fault(`latency above two frame times of ${1000 / fps} ms`);
    }
  }
  if (chosen.includes('reconnect') && python !== undefined) {
    const told = await measureReconnect({ fps: 10, height: 360, width: 480, python });
    console.log(told.text);
    if (!told.ok) fault('the stream did not come back fresh');
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(faults === 0 ? 0 : 1);
