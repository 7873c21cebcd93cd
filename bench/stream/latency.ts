import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel } from '../../src/model/load.js';
import { findFfmpeg } from '../../src/stream/ffmpeg.js';
import { segmentStream } from '../../src/stream/segment.js';
import { sourceOf } from '../../src/stream/source.js';

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startRtsp(python: string, ...ports: number[]): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('../../../bench/stream/rtsp.py', import.meta.url));
  const child = spawn(python, [script, ...ports.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the RTSP server ended with ${code}`)));
  });
  return child;
}

/** Squares of a frame's first row that spell the time it was drawn at, and their side in pixels. */
const bits = 24;
const side = 16;

/** Draws milliseconds as black and white squares, the lowest bit first. */
function drawClock(pixels: Buffer, width: number, ms: number): void {
  for (let bit = 0; bit < bits; bit++) {
    const value = (ms >> bit) & 1 ? 235 : 16;
    for (let y = 0; y < side; y++) {
      const from = 3 * (y * width + bit * side);
      pixels.fill(value, from, from + 3 * side);
    }
  }
}

function readClock(pixels: Uint8Array, width: number): number {
  let ms = 0;
  for (let bit = 0; bit < bits; bit++) {
    if (pixels[3 * ((side / 2) * width + bit * side + side / 2)] > 128) ms |= 1 << bit;
  }
  return ms;
}

const clock = (): number => Date.now() % (1 << bits);

/**
 * Sends frames with the time drawn in, encoded by ffmpeg as they come, and segments what arrives: over RTSP through a
 * server, or straight as MPEG-TS over TCP. The latency of a frame is from its drawing to its labels: encoding, the way,
 * decoding, waiting and the network are all in it.
 */
export async function measureLatency({
  fps,
  height,
  width,
  seconds,
  python,
}: {
  fps: number;
  height: number;
  width: number;
  seconds: number;
  /** A Python with GStreamer's RTSP server; without it MPEG-TS over TCP. */
  python?: string;
}): Promise<{ text: string; p50: number }> {
  const encode = [
    ...['-v', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-r', String(fps)],
    ...['-i', 'pipe:0', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', String(fps)],
    ...['-pix_fmt', 'yuv420p'],
  ];
  const [rtspPort, rtpPort] = [await freePort(), await freePort()];
  const rtsp = python && (await startRtsp(python, rtspPort, rtpPort));
  const target = rtsp
    ? ['-f', 'rtp', '-payload_type', '96', `rtp://127.0.0.1:${rtpPort}`]
    : ['-f', 'mpegts', '-muxdelay', '0', '-flush_packets', '1', 'pipe:1'];
  const sender = spawn('ffmpeg', [...encode, ...target], { stdio: ['pipe', 'pipe', 'ignore'] });
  const pixels = Buffer.alloc(3 * height * width, 90);
  const timer = setInterval(() => {
    drawClock(pixels, width, clock());
    sender.stdin.write(Buffer.from(pixels));
  }, 1000 / fps);
  const server = createServer((socket) => {
    sender.stdout.pipe(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  if (rtsp) await sleep(2000);
  const model = await loadModel('camvid');
  const predictor = new Predictor(model.network, model.weights, { backend: wasmBackend });
  const abort = new AbortController();
  const whole: number[] = [];
  const own: number[] = [];
  let dropped = 0;
  try {
    const source = sourceOf(rtsp ? `rtsp://127.0.0.1:${rtspPort}/live` : `tcp://127.0.0.1:${port}`);
    const begun = performance.now();
    const options = { signal: abort.signal };
    for await (const result of segmentStream(predictor, await findFfmpeg(), source, options)) {
      const { image } = result.frame;
      // The first seconds are those of connecting.
      if (performance.now() - begun > 4000) {
        whole.push((clock() - readClock(image.data, image.width) + (1 << bits)) % (1 << bits));
        own.push(result.latencyMs);
      }
      dropped = result.dropped;
      if (performance.now() - begun > 1000 * (seconds + 4)) break;
    }
  } finally {
    abort.abort();
    clearInterval(timer);
    sender.kill('SIGKILL');
    if (rtsp) rtsp.kill();
    server.close();
    await predictor.dispose();
  }
  const at = (values: number[], share: number) =>
    [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];
  const half = Math.floor(whole.length / 2);
  const tell = (values: number[]) =>
    `${at(values, 0.5).toFixed(0)} ms (95 % below ${at(values, 0.95).toFixed(0)} ms)`;
  const text = `latency, ${rtsp ? 'RTSP' : 'MPEG-TS'}, ${height}×${width}, ${fps} frames/s: ${whole.length} frames, from drawing to labels ${tell(whole)}, first half ${at(whole.slice(0, half), 0.5)} ms, second half ${at(whole.slice(half), 0.5)} ms, from arrival ${tell(own)}, ${dropped} dropped`;
  return { text, p50: at(whole, 0.5) };
}
