import { wasmBackend } from '../../src/backends/wasm/index.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel } from '../../src/model/load.js';
import { findFfmpeg } from '../../src/stream/ffmpeg.js';
import { segmentStream } from '../../src/stream/segment.js';
import { sourceOf } from '../../src/stream/source.js';
import { ageOf, openCamera } from './camera.js';

interface CameraOptions {
  readonly fps: number;
  readonly height: number;
  readonly width: number;
  /** A Python with GStreamer's RTSP server; without it MPEG-TS over TCP. */
  readonly python?: string;
}

/** Seconds of connecting, which are not measured. */
const settling = 4;

const at = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];

/**
 * Segments what arrives of a camera with a clock. The latency of a frame is from its drawing to its labels: encoding, the way,
 * decoding, waiting and the network are all in it.
 */
export async function measureLatency({
  seconds,
  ...options
}: CameraOptions & { readonly seconds: number }): Promise<{ text: string; p50: number }> {
  const { fps, height, width } = options;
  const camera = await openCamera(options);
  const model = await loadModel('camvid');
  const predictor = new Predictor(model.network, model.weights, { backend: wasmBackend });
  const abort = new AbortController();
  const whole: number[] = [];
  const own: number[] = [];
  const network: number[] = [];
  let dropped = 0;
  try {
    const begun = performance.now();
    const source = sourceOf(camera.url);
    for await (const result of segmentStream(predictor, await findFfmpeg(), source, {
      signal: abort.signal,
    })) {
      const { image } = result.frame;
      const age = ageOf(image.data, image.width);
      if (performance.now() - begun > 1000 * settling) {
        whole.push(age);
        own.push(result.latencyMs);
        network.push(result.ms);
      }
      dropped = result.dropped;
      if (performance.now() - begun > 1000 * (seconds + settling)) break;
    }
  } finally {
    abort.abort();
    camera.stop();
    await predictor.dispose();
  }
  const half = Math.floor(whole.length / 2);
  const tell = (values: number[]) =>
    `${at(values, 0.5).toFixed(0)} ms (95 % below ${at(values, 0.95).toFixed(0)} ms)`;
  const p50 = at(whole, 0.5);
  const text = `latency, ${camera.transport}, ${height}×${width}, ${fps} frames/s: ${whole.length} frames, from drawing to labels ${tell(whole)}, ${((p50 * fps) / 1000).toFixed(2)} frame times, first half ${at(whole.slice(0, half), 0.5)} ms, second half ${at(whole.slice(half), 0.5)} ms; from arrival ${tell(own)}, network ${tell(network)}, ${dropped} dropped`;
  return { text, p50 };
}

/** Kills the RTSP server of a live stream and starts it again: how long until frames come, and that they are fresh. */
export async function measureReconnect(
  options: CameraOptions & { readonly python: string },
): Promise<{ text: string; ok: boolean }> {
  const camera = await openCamera(options);
  const model = await loadModel('camvid');
  const predictor = new Predictor(model.network, model.weights, { backend: wasmBackend });
  const notices: string[] = [];
  const abort = new AbortController();
  const late = setTimeout(() => abort.abort(), 60_000);
  let [before, after, killed, restarted, first, age] = [0, 0, 0, 0, 0, 0];
  try {
    const settings = { signal: abort.signal, onNotice: (text: string) => notices.push(text), patience: 5 };
    for await (const { frame, reconnects } of segmentStream(
      predictor,
      await findFfmpeg(),
      sourceOf(camera.url),
      settings,
    )) {
      if (reconnects === 0) {
        before++;
        if (before === 30) {
          camera.kill();
          killed = performance.now();
          setTimeout(async () => {
            await camera.restart();
            restarted = performance.now();
          }, 3000);
        }
      } else {
        if (after++ === 0) first = performance.now();
        age = ageOf(frame.image.data, frame.image.width);
        if (after === 50) break;
      }
    }
  } finally {
    clearTimeout(late);
    abort.abort();
    camera.stop();
    await predictor.dispose();
  }
  const since = (from: number) => ((first - from) / 1000).toFixed(1);
  const text = `reconnect: ${before} frames, server killed, back after ${((restarted - killed) / 1000).toFixed(1)} s; frames again ${since(restarted)} s later, ${after} of them, the last ${age} ms old; told: ${notices.join(' | ')}`;
  return { text, ok: after === 50 && age < 5000 / options.fps };
}
