import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { renderScene } from '../../src/data/synth.js';

/** A stream of frames that carry the time they were drawn at, encoded by ffmpeg as they come. */
export interface ClockCamera {
  readonly url: string;
  readonly transport: 'RTSP' | 'MPEG-TS';
  /** The RTSP server goes, and comes back at the same address. */
  kill(): void;
  restart(): Promise<void>;
  stop(): void;
}

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

const clock = (): number => Date.now() % (1 << bits);

/** Milliseconds since a frame was drawn. */
export function ageOf(pixels: Uint8Array, width: number): number {
  let ms = 0;
  for (let bit = 0; bit < bits; bit++) {
    if (pixels[3 * ((side / 2) * width + bit * side + side / 2)] > 128) ms |= 1 << bit;
  }
  return (clock() - ms + (1 << bits)) % (1 << bits);
}

/**
 * Over RTSP through a server, or straight as MPEG-TS over TCP.
 * @param options.python with GStreamer's RTSP server; without it MPEG-TS.
 */
export async function openCamera({
  fps,
  height,
  width,
  python,
}: {
  fps: number;
  height: number;
  width: number;
  python?: string;
}): Promise<ClockCamera> {
  const encode = [
    ...['-v', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-r', String(fps)],
    ...['-i', 'pipe:0', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', String(fps)],
    // One slice a frame.
    ...['-pix_fmt', 'yuv420p', '-threads', '1'],
  ];
  const ports = python ? [await freePort(), await freePort()] : [];
  let rtsp = python ? await startRtsp(python, ...ports) : undefined;
  const target = rtsp
    ? ['-f', 'rtp', '-payload_type', '96', `rtp://127.0.0.1:${ports[1]}`]
    : // With lengths in its headers: where they are missing, a frame is known to be whole when the next one begins.
      ['-f', 'mpegts', '-muxdelay', '0', '-omit_video_pes_length', '0', '-flush_packets', '1', 'pipe:1'];
  const sender = spawn('ffmpeg', [...encode, ...target], { stdio: ['pipe', 'pipe', 'ignore'] });
  sender.stdin.on('error', () => undefined);
  // A street that goes by, so that frames have as many bytes as those of a camera.
  const street = renderScene(3, 0, height, 2 * width).image.data;
  const pixels = Buffer.alloc(3 * height * width);
  let moved = 0;
  const timer = setInterval(() => {
    moved = (moved + 4) % width;
    for (let y = 0; y < height; y++) {
      const from = 3 * (2 * y * width + moved);
      pixels.set(street.subarray(from, from + 3 * width), 3 * y * width);
    }
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
  return {
    url: rtsp ? `rtsp://127.0.0.1:${ports[0]}/live` : `tcp://127.0.0.1:${port}`,
    transport: rtsp ? 'RTSP' : 'MPEG-TS',
    kill: () => void rtsp?.kill('SIGKILL'),
    async restart() {
      if (python) rtsp = await startRtsp(python, ...ports);
    },
    stop() {
      clearInterval(timer);
      sender.kill('SIGKILL');
      rtsp?.kill('SIGKILL');
      server.close();
    },
  };
}
