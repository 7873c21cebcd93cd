/**
 * `npm run bench:stream -- [PARTS]`: what the command line makes of a video beside `vnet bench` at the same size, labels
 * frame by frame beside `vnet predict` on extracted pictures, memory over many frames, latency of a live stream.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, Command } from 'commander';
import { whole } from '../../src/cli/options.js';
import { readLabels } from '../../src/data/label-image.js';
import { median } from '../../src/median.js';
import { measureLatency } from './latency.js';

const parts = ['throughput', 'labels', 'memory', 'latency'] as const;
const command = new Command('bench:stream')
  .description(
    'Videos and live streams through the command line.\n\n' +
      '  throughput  frames a second of a file of 360×480 and one of 1080×1920, in turn with `vnet bench` at that size\n' +
      '  labels      labels of a video are those of its frames extracted as PNG\n' +
      '  memory      resident memory over many frames\n' +
      '  latency     from the clock that is drawn into a frame to its labels',
  )
  .addArgument(new Argument('[parts...]', 'default: all').choices(parts))
  .option('--frames <dir>', 'pictures for the videos (default: a test picture of ffmpeg)')
  .option('--rounds <n>', 'of throughput', whole(1), 3)
  .option('--count <n>', 'frames of memory', whole(100), 10_000)
  .option('--python <command>', 'with GStreamer and its RTSP server: latency over RTSP, not MPEG-TS')
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

function throughput(): void {
  for (const [height, width, length] of [
    [360, 480, 600],
    [1080, 1920, 80],
  ] as const) {
    const clip = at(`${height}.mp4`);
    makeClip(clip, [height, width], length);
    const benches: number[] = [];
    const files: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const size = `${height}x${width}`;
      const runs = String(Math.round(length / 4));
      const told = vnet(
        'bench',
        '--size',
        size,
        '--mode',
        'infer',
        '--classes',
        '11',
        '--runs',
        runs,
        '--json',
      );
      const { ms } = JSON.parse(told) as { ms: number[] };
      benches.push((1000 * ms.length) / ms.reduce((a, b) => a + b, 0));
      const said = vnet('predict', clip, '--resize', 'own', '--out', at('out.mp4'), '--overwrite');
      files.push(Number(/([\d.]+) frames\/s/.exec(said)?.[1]));
    }
    const [bench, file] = [median(benches), median(files)];
    console.log(
      `${height}×${width}: vnet bench ${bench.toFixed(1)} images/s, vnet predict ${file.toFixed(1)} frames/s: ${((100 * file) / bench).toFixed(0)} % (bench ${benches.map((rate) => rate.toFixed(1)).join(', ')}; predict ${files.join(', ')})`,
    );
  }
}

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

async function memory(): Promise<void> {
  makeClip(at('long.mp4'), [120, 160], count);
  const child = spawn(
    process.execPath,
    [
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
    { stdio: 'ignore', cwd: folder },
  );
  const samples: number[] = [];
  const timer = setInterval(() => {
    try {
      const text = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      samples.push(Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024);
    } catch {}
  }, 500);
  await new Promise((resolve) => child.on('exit', resolve));
  clearInterval(timer);
  const lines = readFileSync(at('s.jsonl'), 'utf8').trim().split('\n').length;
  const quarter = Math.floor(samples.length / 4);
  const parts = [1, 2, 3].map((i) => Math.max(...samples.slice(i * quarter, (i + 1) * quarter)).toFixed(0));
  console.log(
    `memory: ${lines} frames, at most ${parts.join(', ')} MiB in the second, third and last quarter`,
  );
  if (Number(parts[2]) > Number(parts[0]) + 16) fault('memory grows');
  if (lines !== count) fault(`${lines} lines of statistics for ${count} frames`);
}

try {
  const chosen = command.args.length > 0 ? command.args : parts;
  if (chosen.includes('throughput')) throughput();
  if (chosen.includes('labels')) await sameLabels();
  if (chosen.includes('memory')) await memory();
  if (chosen.includes('latency')) {
    for (const fps of [10, 25]) {
      const told = await measureLatency({ fps, height: 360, width: 480, seconds: 15, python });
      console.log(told.text);
      if (told.p50 > 2000 / fps) fault(`latency above two frame times of ${1000 / fps} ms`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(faults === 0 ? 0 : 1);
