import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { runCli } from '../../src/cli/program.js';
import { overlay, readImage } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { Rng } from '../../src/data/rng.js';
import { fitted } from '../../src/eval/fitting.js';
import { Lanes } from '../../src/eval/lanes.js';
import { predictLabels } from '../../src/eval/predict.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { Segmenter } from '../../src/segmenter/segmenter.js';
import { canMapTones, Decoder } from '../../src/stream/decode.js';
import type { Ffmpeg } from '../../src/stream/ffmpeg.js';
import { findFfmpeg } from '../../src/stream/ffmpeg.js';
import { videoFrames } from '../../src/stream/frames.js';
import type { PaintedFrame } from '../../src/stream/paint.js';
import { Painter } from '../../src/stream/paint.js';
import { VideoParts } from '../../src/stream/parts.js';
import { identify, probe } from '../../src/stream/probe.js';
import type { SegmentedFrame, StreamOptions } from '../../src/stream/segment.js';
import { segmentStream } from '../../src/stream/segment.js';
import { cameraSource, isVideoName, sourceOf } from '../../src/stream/source.js';
import { start, vnetHere } from '../cli/vnet.js';
import { clip, ffmpeg, frameTimes, noFfmpeg, probed } from './clips.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-stream-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const skip = noFfmpeg;
type Labels = Pick<Predictor, 'labels' | 'logits'>;
let program: Ffmpeg;
let model: Model;
let predictor: Predictor;

before(async () => {
  if (skip) return;
  program = await findFfmpeg();
  model = await loadModel('camvid');
  predictor = new Predictor(model.network, model.weights, { backend: wasmBackend, threads: 1 });
  clip(at('clip.mp4'), '96x64', 1);
});
after(async () => {
  await predictor?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** What is left of each frame: its index, time and labels. */
async function labelsOf(file: string, options: StreamOptions = {}, by: Labels = predictor) {
  const frames: { index: number; seconds: number; height: number; width: number; data: Uint8Array }[] = [];
  for await (const { frame, labels } of segmentStream(by, program, sourceOf(file), options)) {
    frames.push({ index: frame.index, seconds: frame.seconds, ...labels });
  }
  return frames;
}

test('an overlay with sound, exact labels, statistics: every frame once, at its time', { skip }, async () => {
  const out = ['--out', at('out.mp4'), '--labels', at('labels.mkv'), '--stats', at('stats.jsonl')];
  const { code, stderr } = await vnetHere(['predict', at('clip.mp4'), ...out, '--threads', '1']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(frameTimes(at('out.mp4')), frameTimes(at('clip.mp4')));
  for (const [entries, stream] of [
    ['stream=codec_name,width,height,duration', 'v:0'],
    ['stream=codec_name,duration', 'a:0'],
  ]) {
    const select = ['-select_streams', stream];
    assert.deepEqual(probed(at('out.mp4'), entries, ...select), probed(at('clip.mp4'), entries, ...select));
  }
  const stats = readFileSync(at('stats.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    stats.map(({ frame }) => frame),
    Array.from({ length: 25 }, (_, i) => i),
  );
  for (const { shares } of stats) {
    const sum = Object.values(shares as Record<string, number>).reduce((a, b) => a + b);
    assert.ok(Math.abs(sum - 1) < 1e-3);
  }
  // Labels are those of the extracted pictures, frame by frame.
  ffmpeg('-i', at('clip.mp4'), at('frame-%02d.png'));
  ffmpeg('-i', at('labels.mkv'), '-pix_fmt', 'gray', at('labels-%02d.png'));
  const pictures = readdirSync(folder)
    .filter((name) => name.startsWith('frame-'))
    .sort();
  assert.equal(pictures.length, 25);
  for (const name of pictures) {
    const picture = await readImage(at(name));
    const { data } = await predictLabels(predictor, picture, fitted({}, model.info, picture));
    const written = await readLabels(at(name.replace('frame', 'labels')));
    assert.deepEqual(written.data, data, name);
  }
});

test('odd sizes, ten bits, frames at any time, rotation', { skip }, async () => {
  ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc=size=97x65:rate=25:duration=1', '-vf', "setpts='(N+0.05*N*N)/25/TB'"],
    ...[
      '-fps_mode',
      'passthrough',
      '-enc_time_base',
      '1:1000',
      '-c:v',
      'ffv1',
      '-pix_fmt',
      'yuv444p10le',
      at('odd.mkv'),
    ],
  );
  const frames = await labelsOf(at('odd.mkv'));
  const times = frameTimes(at('odd.mkv'));
  assert.equal(frames.length, 25);
  assert.deepEqual([frames[0].height, frames[0].width], [65, 97]);
  for (const [i, { seconds }] of frames.entries())
    assert.ok(Math.abs(seconds - times[i]) < 1e-3, `${seconds} ${times[i]}`);
  assert.ok(times[24] - times[23] > 2 * (times[1] - times[0]), 'not at a constant rate');
  const { code, stderr } = await vnetHere([
    'predict',
    at('odd.mkv'),
    '--out',
    at('odd.mp4'),
    '--threads',
    '1',
  ]);
  assert.equal(code, 0, stderr);
  const written = frameTimes(at('odd.mp4'));
  assert.equal(written.length, 25);
  for (const [i, time] of written.entries())
    assert.ok(Math.abs(time - times[i]) < 2e-3, `${time} ${times[i]}`);
  assert.deepEqual(probed(at('odd.mp4'), 'stream=width,height', '-select_streams', 'v:0'), ['98,66']);

  ffmpeg('-i', at('clip.mp4'), '-c', 'copy', '-metadata:s:v', 'rotate=90', at('turned.mp4'));
  const [turned] = await labelsOf(at('turned.mp4'), { to: 0.1 });
  assert.deepEqual([turned.height, turned.width], [96, 64]);
});

test('a part of the time, fewer frames, labels that are kept', { skip }, async () => {
  const whole = await labelsOf(at('clip.mp4'));
  const part = await labelsOf(at('clip.mp4'), { from: 0.4, to: 0.8 });
  assert.equal(part.length, 10);
  assert.deepEqual(part[0].data, whole[10].data);
  assert.equal((await labelsOf(at('clip.mp4'), { fps: 5 })).length, 5);
  const every = await labelsOf(at('clip.mp4'), { every: 5 });
  assert.equal(every.length, 25);
  for (const [i, { data }] of every.entries()) assert.deepEqual(data, whole[i - (i % 5)].data);
  const rest = await labelsOf(at('clip.mp4'), { skip: 20 });
  assert.deepEqual(
    rest.map(({ index }) => index),
    [20, 21, 22, 23, 24],
  );
  assert.deepEqual(rest[0].data, whole[20].data);
  assert.ok(Math.abs(rest[0].seconds - 0.8) < 1e-6);
});

test('small frames are held up too, though several come at once, or before what is told of them', {
  skip,
}, async () => {
  // A shell that holds what ffmpeg says back, so that all frames are there before their sizes and times.
  const silent = at('silent-ffmpeg');
  const script = `#!/bin/sh\n{ '${program.path}' "$@" 2>&1 >&3 3>&- | { sleep 0.5; cat >&2; }; } 3>&1\n`;
  writeFileSync(silent, script, { mode: 0o755 });
  for (const used of [program, { ...program, path: silent }]) {
    const decoder = new Decoder(used, sourceOf(at('clip.mp4')));
    const taken: number[] = [];
    for (let frame = await decoder.next(); frame; frame = await decoder.next()) {
      // Two wait while one is computed.
      assert.ok(!(frame.arrived < taken[frame.index - 3]), `frame ${frame.index} came three frames early`);
      taken.push(performance.now());
      decoder.release(frame);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(taken.length, 25);
  }
});

test('frames that are computed side by side: the same labels in the same order', { skip }, async (t) => {
  const lanes = new Lanes(model.network, model.weights, { backend: wasmBackend, threads: 3 });
  t.after(() => lanes.dispose());
  for (const options of [{}, { every: 3 }, { smooth: 0.5 }]) {
    const together = await labelsOf(at('clip.mp4'), { ...options, lanes: lanes.most }, lanes);
    assert.deepEqual(together, await labelsOf(at('clip.mp4'), options));
  }
  // Later frames may be done first.
  const seed = Date.now() % 1e6;
  t.diagnostic(`seed ${seed}`);
  const rng = Rng.of(seed, 0);
  let [running, most] = [0, 0];
  const late: Labels = {
    labels: async ({ height, width }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20 * rng.next()));
      running--;
      return { height, width, data: new Uint8Array(height * width) };
    },
    logits: () => Promise.reject(new Error('labels only')),
  };
  const frames = await labelsOf(at('clip.mp4'), { lanes: 3 }, late);
  assert.deepEqual(
    frames.map(({ index }) => index),
    Array.from({ length: 25 }, (_, i) => i),
  );
  assert.equal(most, 3);
  // Whoever leaves, and a frame that fails, ends it.
  for await (const { frame } of segmentStream(late, program, sourceOf(at('clip.mp4')), { lanes: 3 }))
    if (frame.index === 4) break;
  assert.equal(running, 0);
  await assert.rejects(labelsOf(at('clip.mp4'), { lanes: 3, smooth: 0.5 }, late), /labels only/);
});

test('smoothed labels flicker less, on noise much less', { skip }, async () => {
  ffmpeg('-i', at('clip.mp4'), '-an', '-vf', 'noise=alls=60:allf=t', '-c:v', 'ffv1', at('noisy.mkv'));
  let last: SegmentedFrame | undefined;
  for await (const result of segmentStream(predictor, program, sourceOf(at('noisy.mkv')), { smooth: 0.8 }))
    last = result;
  const { before, after } = last!.flicker!;
  assert.ok(before > 0.002 && after < 0.6 * before, `${before} ${after}`);
});

test('pipes: yuv4mpeg and raw frames in, the same out', { skip }, async () => {
  ffmpeg('-i', at('clip.mp4'), '-t', '0.2', '-f', 'rawvideo', '-pix_fmt', 'rgb24', at('raw.rgb'));
  ffmpeg('-i', at('clip.mp4'), '-t', '0.2', '-f', 'yuv4mpegpipe', '-strict', '-1', at('clip.y4m'));
  const bin = new URL('../../../bin/vnet.js', import.meta.url).pathname;
  const piped = (input: string, ...args: string[]) =>
    new Promise<Buffer>((resolve, reject) => {
      const child = spawn('sh', [
        '-c',
        `"$0" "$@" < "${input}"`,
        process.execPath,
        bin,
        'predict',
        '-',
        '--threads',
        '1',
        ...args,
      ]);
      const parts: Buffer[] = [];
      let told = '';
      child.stdout.on('data', (part: Buffer) => parts.push(part));
      child.stderr.on('data', (part: Buffer) => {
        told += part;
      });
      child.on('close', (code) => (code === 0 ? resolve(Buffer.concat(parts)) : reject(new Error(told))));
    });
  const raw = await piped(at('raw.rgb'), '--raw', '64x96', '--alpha', '0');
  assert.deepEqual(raw, readFileSync(at('raw.rgb')), 'without colours the frames are what they were');
  const y4m = (await piped(at('clip.y4m'))).toString('latin1');
  assert.match(y4m, /^YUV4MPEG2 W96 H64 /);
  assert.equal(y4m.split('FRAME\n').length - 1, 5);
});

test('Ctrl-C leaves a file that can be played', { skip }, async () => {
  clip(at('long.mp4'), '320x240', 40);
  const running = start([
    'predict',
    at('long.mp4'),
    '--out',
    at('stopped.mp4'),
    '--threads',
    '1',
    '--stats',
    at('s.jsonl'),
  ]);
  for (
    let tries = 0;
    tries < 400 && !(existsSync(at('s.jsonl')) && readFileSync(at('s.jsonl'), 'utf8').length > 2000);
    tries++
  ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  running.interrupt();
  const { code, stderr } = await running.ended;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /stopped after frame \d+ of 1000; what there is can be played/);
  const frames = Number(/stopped after frame (\d+)/.exec(stderr)![1]);
  assert.deepEqual(probed(at('stopped.mp4'), 'stream=nb_read_frames', '-select_streams', 'v:0'), [
    String(frames),
  ]);
});

test('a long file in parts: what was stopped goes on, and is what it would have been', { skip }, async () => {
  const options = { file: at('parts.mp4'), pixels: 'rgb24', frameSeconds: 0.02 } as const;
  const frame = (i: number) => ({ width: 64, height: 48, data: new Uint8Array(3 * 64 * 48).fill(i % 256) });
  const times = Array.from({ length: 620 }, (_, i) => 0.5 + i * 0.02 + (i > 300 ? 1 : 0));
  const first = await VideoParts.open(program, options, 'recipe');
  for (let i = 0; i < 530; i++) await first.write(frame(i), times[i]);
  // Killed: nothing is told.
  await first.abort();
  await assert.rejects(VideoParts.open(program, options, 'other'), /holds parts of another video/);
  const second = await VideoParts.open(program, options, 'recipe');
  assert.equal(second.done, 500);
  for (let i = 500; i < 620; i++) await second.write(frame(i), times[i]);
  assert.ok(await second.finish());
  assert.ok(!existsSync(`${options.file}.parts`));
  const written = frameTimes(options.file);
  assert.equal(written.length, 620);
  for (const [i, time] of written.entries())
    assert.ok(Math.abs(time - times[i]) < 2e-3, `${i}: ${time} ${times[i]}`);
});

test('the library: frames of a video through the segmenter', { skip }, async () => {
  const whole = await labelsOf(at('clip.mp4'), { view: (size) => fitted({}, model.info, size) });
  const segmenter = await Segmenter.load({ device: 'wasm', threads: 1 });
  let count = 0;
  try {
    for await (const { frame, segmentation } of segmenter.stream(videoFrames(at('clip.mp4'), { to: 0.4 }))) {
      assert.equal(frame.index, count);
      assert.deepEqual(segmentation.labels, whole[count].data);
      count++;
    }
  } finally {
    await segmenter.dispose();
  }
  assert.equal(count, 10);
});

test('live: the newest frame, drops counted, a lost connection made again', { skip }, async () => {
  // Each connection gets a fresh stream in real time; the first one breaks.
  let connections = 0;
  let first: Socket | undefined;
  const server = createServer((socket) => {
    connections++;
    const sender = spawn('ffmpeg', [
      ...['-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc=size=96x64:rate=25', '-c:v', 'mpeg2video'],
      ...['-q:v', '2', '-g', '5', '-bf', '0', '-f', 'mpegts', '-muxdelay', '0', '-flush_packets', '1', '-'],
    ]);
    sender.stdout.pipe(socket);
    socket.on('error', () => undefined).on('close', () => sender.kill('SIGKILL'));
    if (connections === 1) first = socket;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const abort = new AbortController();
  const notices: string[] = [];
  const slow = 150;
  const results: { index: number; latencyMs: number; dropped: number; reconnects: number }[] = [];
  try {
    const source = sourceOf(`tcp://127.0.0.1:${port}`);
    const options = { signal: abort.signal, onNotice: (text: string) => notices.push(text) };
    for await (const { frame, latencyMs, dropped, reconnects } of segmentStream(
      predictor,
      program,
      source,
      options,
    )) {
      results.push({ index: frame.index, latencyMs, dropped, reconnects });
      await new Promise((resolve) => setTimeout(resolve, slow));
      if (results.length === 8) first?.destroy();
      if (reconnects > 0 && results.filter((each) => each.reconnects > 0).length > 5) abort.abort();
      if (results.length > 300) break;
    }
  } finally {
    server.close();
  }
  const last = results[results.length - 1];
  assert.equal(last.reconnects, 1);
  assert.match(notices[0], /trying again in 0\.5 s/);
  assert.ok(last.dropped > 10, `${last.dropped} dropped by a caller of ${slow} ms a frame`);
  for (const [i, { index }] of results.entries())
    assert.ok(i === 0 || index > results[i - 1].index, 'in order');
});

test('damaged frames are counted and passed over', { skip }, async () => {
  ffmpeg('-i', at('clip.mp4'), '-an', '-c:v', 'mpeg2video', '-g', '5', '-bf', '0', at('whole.ts'));
  const bytes = readFileSync(at('whole.ts'));
  bytes.fill(0x55, bytes.length >> 1, (bytes.length >> 1) + 2000);
  writeFileSync(at('damaged.ts'), bytes);
  const complaintsOf = async (name: string) => {
    const told: number[] = [];
    for await (const { complaints } of segmentStream(predictor, program, sourceOf(at(name)), { to: 2 }))
      told.push(complaints);
    return { frames: told.length, complaints: told[told.length - 1] };
  };
  assert.deepEqual(await complaintsOf('whole.ts'), { frames: 25, complaints: 0 });
  const { frames, complaints } = await complaintsOf('damaged.ts');
  assert.ok(frames >= 20 && frames <= 25 && complaints > 0, `${frames} frames, ${complaints} complaints`);
});

test('high dynamic range comes nearly as bright as it was', { skip }, async (t) => {
  if (!canMapTones(program)) return t.skip('this ffmpeg lacks zscale or tonemap');
  // White at 203 cd/m², as BT.2408 has it.
  const pq =
    'zscale=tin=bt709:min=bt709:pin=bt709:t=smpte2084:p=bt2020:m=bt2020nc:r=tv:npl=203,format=yuv420p10le';
  const tags = ['-color_trc', 'smpte2084', '-color_primaries', 'bt2020', '-colorspace', 'bt2020nc'];
  ffmpeg('-i', at('clip.mp4'), '-an', '-t', '0.1', '-vf', pq, '-c:v', 'ffv1', ...tags, at('hdr.mkv'));
  const { hdr } = await probe(program, sourceOf(at('hdr.mkv')));
  const first = async (name: string, options: StreamOptions = {}) => {
    for await (const { frame } of segmentStream(predictor, program, sourceOf(at(name)), options))
      return Uint8Array.from(frame.image.data);
    throw new Error('no frame');
  };
  const was = await first('clip.mp4');
  const off = (data: Uint8Array) =>
    data.reduce((sum, value, i) => sum + Math.abs(value - was[i]), 0) / was.length;
  const [mapped, plain] = [off(await first('hdr.mkv', { hdr })), off(await first('hdr.mkv'))];
  assert.ok(hdr && mapped < 0.6 * plain, `off by ${mapped} of 255, not mapped by ${plain}`);
});

test('a playlist on the web: live while it grows, then a file whose frames all count', {
  skip,
}, async (t) => {
  const looped = ['-stream_loop', '7', '-i', at('clip.mp4'), '-an', '-c:v', 'mpeg2video', '-g', '5'];
  ffmpeg(...looped, '-f', 'hls', '-hls_time', '0.4', '-hls_list_size', '0', at('list.m3u8'));
  const [head, ...segments] = readFileSync(at('list.m3u8'), 'utf8').split(/(?=#EXTINF|#EXT-X-ENDLIST)/);
  writeFileSync(at('ended.m3u8'), `${head}${segments.slice(0, 4).join('')}#EXT-X-ENDLIST\n`);
  let told = 4;
  const server = createWebServer((request, response) => {
    const name = path.basename(request.url!);
    if (name === 'growing.m3u8') response.end(`${head}${segments.slice(0, told++).join('')}`);
    else response.end(existsSync(at(name)) ? readFileSync(at(name)) : undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const playlist = (name: string) => `http://127.0.0.1:${port}/${name}`;

  const growing = await identify(program, sourceOf(playlist('growing.m3u8')));
  assert.equal(growing.source.kind, 'live');
  for await (const { frame } of segmentStream(predictor, program, growing.source)) {
    assert.deepEqual([frame.image.height, frame.image.width], [64, 96]);
    if (frame.index >= 4) break;
  }

  ffmpeg('-i', at('ended.m3u8'), at('listed-%02d.png'));
  let count = 0;
  for await (const { index, width, height, data } of videoFrames(playlist('ended.m3u8'))) {
    assert.equal(index, count++);
    const name = `listed-${String(count).padStart(2, '0')}.png`;
    assert.deepEqual({ width, height, data }, await readImage(at(name)), name);
  }
  assert.equal(count, 40);
  const args = ['--to', '0.4', '--labels', at('listed.mkv'), '--threads', '1'];
  const { code, stderr } = await vnetHere(['predict', playlist('ended.m3u8'), ...args]);
  assert.equal(code, 0, stderr);
  assert.equal(frameTimes(at('listed.mkv')).length, 10);
});

test('what is missing, damaged or no video: one line', { skip }, async (t) => {
  const failed = async (args: string[], pattern: RegExp, exitCode = 1) => {
    const write = t.mock.method(process.stderr, 'write', () => true);
    const code = await runCli(['predict', ...args]);
    const stderr = write.mock.calls.map(({ arguments: [text] }) => String(text)).join('');
    write.mock.restore();
    assert.equal(code, exitCode, stderr);
    assert.match(stderr, pattern);
    assert.match(stderr, /^vnet: [^\n]+\n$/);
  };
  await failed([at('clip.mp4'), '--ffmpeg', at('none')], /none: not found; video needs ffmpeg: install it/);
  await failed([at('gone.mp4')], /gone\.mp4: no such video/);
  ffmpeg('-i', at('clip.mp4'), '-vn', '-c:a', 'copy', at('sound.mp4'));
  await failed([at('sound.mp4')], /sound\.mp4: has no video/);
  await failed([at('clip.mp4'), '--out', at('clip.mp4')], /is the input and would be overwritten/, 2);
  await failed(['-', '--labels', at('x.mp4')], /labels are kept exactly in \.mkv/, 2);
  await assert.rejects(probe(program, sourceOf(at('raw.rgb'))), /cannot be opened as a video/);
});

test('sources by name', () => {
  assert.ok(['a.MP4', 'b.mkv', 'c.webm', 'd.m2ts'].every(isVideoName) && !isVideoName('e.png'));
  assert.equal(sourceOf('a.mp4').kind, 'file');
  assert.equal(sourceOf('rtsp://user:secret@camera/1').kind, 'live');
  assert.equal(sourceOf('rtsp://user:secret@camera/1').name, 'rtsp://camera/1');
  assert.equal(sourceOf('https://x/live.m3u8').kind, 'live');
  assert.equal(sourceOf('https://x/a.mp4').kind, 'file');
  assert.equal(sourceOf('-').kind, 'pipe');
  assert.deepEqual(cameraSource('0', 'linux').input.slice(-4), ['-f', 'v4l2', '-i', '/dev/video0']);
});

test('painted frames are overlays, pixel by pixel; planes are those of BT.709', (t) => {
  const seed = Date.now() % 1e6;
  t.diagnostic(`seed ${seed}`);
  for (let turn = 0; turn < 12; turn++) {
    const rng = Rng.of(seed, turn);
    const [height, width, classes] = [1 + rng.int(9), 1 + rng.int(70), 1 + rng.int(40)];
    const noise = (length: number, below: number) => new Uint8Array(length).map(() => rng.int(below));
    const image = { height, width, data: noise(3 * height * width, 256) };
    const labels = { height, width, data: noise(height * width, classes + 1) };
    const colours = Array.from(
      { length: classes },
      () => [rng.int(256), rng.int(256), rng.int(256)] as const,
    );
    const band = { height: 3, width: 2 * width, data: noise(3 * 3 * 2 * width, 256) };
    const { data } = overlay(image, labels, colours, 0.4);
    const plain = new Painter(colours, 0.4);
    plain.paint(image, { ...labels, data: noise(height * width, 256) });
    assert.deepEqual(Buffer.from(plain.paint(image, labels).data), Buffer.from(data));
    const whole = new Painter(colours, 0.4, { beside: true, band }).paint(image, labels);
    const row = 3 * width;
    for (let y = 0; y < height; y++) {
      const [left, right] = [2 * row * y, 2 * row * y + row];
      assert.deepEqual(whole.data.slice(left, right), image.data.slice(row * y, row * (y + 1)));
      assert.deepEqual(
        whole.data.slice(right, right + row),
        Uint8Array.from(data.slice(row * y, row * (y + 1))),
      );
    }
    assert.deepEqual(whole.data.slice(2 * row * height), band.data);
    const planes = new Painter(colours, 0.4, { beside: true, band, planes: true }).paint(image, labels);
    assert.deepEqual([planes.height % 2, planes.width], [0, 2 * width]);
    assertPlanes(planes, whole);
  }
});

/** Within rounding, against floating point; black where the picture has no pixel. */
function assertPlanes(planes: PaintedFrame, picture: PaintedFrame): void {
  const { height, width, data } = planes;
  assert.equal(data.length, 1.5 * height * width);
  const rgb = (y: number, x: number) =>
    [0, 1, 2].map((c) =>
      y < picture.height && x < picture.width ? picture.data[3 * (y * picture.width + x) + c] / 255 : 0,
    );
  const lumaOf = ([r, g, b]: number[]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const near = (value: number, expected: number, by: number) =>
    assert.ok(Math.abs(value - expected) < by, `${value}, not ${expected}`);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) near(data[y * width + x], 16 + 219 * lumaOf(rgb(y, x)), 1);
  }
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      const four = [rgb(y, x), rgb(y, x + 1), rgb(y + 1, x), rgb(y + 1, x + 1)];
      const mean = [0, 1, 2].map((c) => four.reduce((sum, each) => sum + each[c], 0) / 4);
      const at = height * width + (y / 2) * (width / 2) + x / 2;
      near(data[at], 128 + (224 * (mean[2] - lumaOf(mean))) / 1.8556, 1.5);
      near(data[at + (height * width) / 4], 128 + (224 * (mean[0] - lumaOf(mean))) / 1.5748, 1.5);
    }
  }
}
