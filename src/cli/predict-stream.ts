import { createHash } from 'node:crypto';
import { createWriteStream, statSync } from 'node:fs';
import path from 'node:path';
import type { Rgb } from '../data/classes.js';
import { isFile, makeFolder, readBytes, writeAtomic } from '../data/files.js';
import { encodeLabelPng } from '../data/image.js';
import { UserError } from '../errors.js';
import { Predictor } from '../eval/predictor.js';
import type { Model } from '../model/model.js';
import { formatDuration, formatRate } from '../report/format.js';
import { legendBand } from '../report/legend.js';
import { canMapTones } from '../stream/decode.js';
import type { EncodeOptions } from '../stream/encode.js';
import type { Ffmpeg } from '../stream/ffmpeg.js';
import { findFfmpeg } from '../stream/ffmpeg.js';
import { classShares, Painter } from '../stream/paint.js';
import type { VideoWriter } from '../stream/parts.js';
import { VideoParts, wholeVideo } from '../stream/parts.js';
import type { StreamInfo } from '../stream/probe.js';
import { probe } from '../stream/probe.js';
import type { SegmentedFrame } from '../stream/segment.js';
import { segmentStream } from '../stream/segment.js';
import type { StreamSource } from '../stream/source.js';
import { cameraSource, isStreamAddress, isVideoName, sourceOf } from '../stream/source.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { openBackend } from './device.js';
import { openModel } from './model.js';
import type { PixelSize } from './options.js';
import { Progress } from './progress.js';
import type { ViewFlags } from './views.js';
import { fittedOptions, fittingNote } from './views.js';

/** Flags of `vnet predict` for a stream. */
export interface StreamFlags extends ViewFlags, DeviceFlags, PrecisionFlags {
  readonly model: string;
  readonly net?: string;
  /** Absent where it was not given. */
  readonly out?: string;
  readonly alpha: number;
  readonly legend?: boolean;
  readonly overwrite?: boolean;
  readonly threads: number;
  readonly json?: boolean;
  readonly camera?: string;
  readonly labels?: string;
  readonly sideBySide?: boolean;
  readonly stats?: string;
  readonly every: number;
  readonly fps?: number;
  readonly from?: number;
  readonly to?: number;
  readonly smooth: number;
  readonly resume?: boolean;
  readonly raw?: PixelSize;
  readonly ffmpeg?: string;
}

/** Segments a video, a camera, a stream on the network, or a pipe. */
export async function predictStream(given: string, flags: StreamFlags): Promise<void> {
  const ffmpeg = await findFfmpeg(flags.ffmpeg);
  const source = flags.camera === undefined ? sourceOf(given, rawOf(flags)) : cameraSource(flags.camera);
  if (source.kind === 'file' && !isStreamAddress(given) && !isFile(given)) {
    throw new UserError(`${given}: no such video`);
  }
  const info =
    source.kind === 'pipe' ? undefined : await probe(ffmpeg, source).catch(liveWithoutProbe(source));
  const { model, file } = await openModel(flags.model, flags.net);
  const target = targetOf(given, source, flags);
  const recipe = await recipeOf(given, file, flags);
  const outputs = await Outputs.open(ffmpeg, source, info, model, target, recipe, flags);
  const predictor = new Predictor(model.network, model.weights, {
    backend: await openBackend(flags),
    threads: flags.threads,
    precision: flags.precision,
    sizes: 1,
  });
  const interrupt = stopSignal();
  const total = source.kind === 'file' ? framesOf(info, flags) : undefined;
  const display = new StreamDisplay(source, total, outputs.done);
  if (info?.hdr && !canMapTones(ffmpeg)) {
    display.note(
      'high dynamic range is shown darker than it is: this ffmpeg lacks the filters zscale and tonemap',
    );
  }
  let last: SegmentedFrame | undefined;
  let toldSize = false;
  const viewOf = (size: { readonly height: number; readonly width: number }) => {
    const view = fittedOptions(flags, model.info, size);
    if (view.resize && !flags.resize && !toldSize) {
      toldSize = true;
      display.note(`frames: ${fittingNote(size, view.resize, model.info)}`);
    }
    return view;
  };
  try {
    const frames = segmentStream(predictor, ffmpeg, source, {
      view: viewOf,
      ...{ every: flags.every, smooth: flags.smooth, fps: flags.fps, from: flags.from, to: flags.to },
      ...{ skip: outputs.done, hdr: info?.hdr, signal: interrupt.signal },
      onNotice: (message) => display.note(message),
    });
    for await (const result of frames) {
      last = result;
      await outputs.add(result);
      display.show(result);
    }
    await outputs.finish(interrupt.signal.aborted);
  } catch (error) {
    await outputs.abort();
    throw error;
  } finally {
    interrupt.release();
    display.stop();
    await predictor.dispose();
  }
  display.report(last, outputs.named, { ...flags, out: target });
  if (interrupt.signal.aborted && source.kind === 'file') {
    throw new UserError(
      flags.resume
        ? 'stopped; the same command goes on'
        : `stopped after frame ${(last?.frame.index ?? -1) + 1}${total ? ` of ${total}` : ''}; what there is can be played`,
    );
  }
  if (!last && outputs.done === 0) throw new UserError(`${source.name}: holds no frame in that time`);
}

/** A live stream need not answer at once: the feed tries, and says what is wrong. */
const liveWithoutProbe =
  ({ kind }: StreamSource) =>
  (error: unknown): undefined => {
    if (kind !== 'live') throw error;
  };

const rawOf = ({ raw, fps }: StreamFlags) => raw && { ...raw, fps: fps ?? 25 };

function framesOf(info: StreamInfo | undefined, { fps, from = 0, to }: StreamFlags): number | undefined {
  if (!info) return undefined;
  const { seconds, frames } = info;
  if (fps === undefined && from === 0 && to === undefined) return frames;
  if (seconds === undefined) return undefined;
  return Math.max(1, Math.round((Math.min(to ?? seconds, seconds) - from) * (fps ?? info.fps)));
}

/** Where the overlay goes: as asked, or beside other predictions under the video's name; live, only where asked. */
function targetOf(
  given: string,
  source: StreamSource,
  { out, overwrite, resume, labels }: StreamFlags,
): string | undefined {
  const isTarget = (text: string) => text === '-' || isVideoName(text);
  const named = `${path.parse(given.replace(/\?.*$/, '')).name}_overlay.mp4`;
  let target: string | undefined;
  if (out !== undefined)
    target = isTarget(out) ? out : path.join(out, source.kind === 'file' ? named : 'overlay.mp4');
  else if (source.kind === 'pipe') target = labels === undefined ? '-' : undefined;
  else if (source.kind === 'file') target = path.join('predictions', named);
  if (target !== undefined && target !== '-' && path.resolve(target) === path.resolve(given)) {
    throw new UserError(`${target}: is the input and would be overwritten; choose another --out`, 2);
  }
  for (const file of [target, labels]) {
    if (file === undefined || file === '-' || !isFile(file) || overwrite || resume) continue;
    throw new UserError(`${file}: is there already; --overwrite replaces it`);
  }
  return target;
}

async function recipeOf(given: string, model: string, flags: StreamFlags): Promise<string> {
  const { resize, window, scales, flip, precision, alpha, legend, sideBySide, every, fps, from, to, smooth } =
    flags;
  const video = isFile(given) ? [statSync(given).size, statSync(given).mtimeMs] : [given];
  const options = {
    resize,
    window,
    scales,
    flip,
    precision,
    alpha,
    legend,
    sideBySide,
    every,
    fps,
    from,
    to,
    smooth,
  };
  const hash = createHash('sha256').update(await readBytes(model));
  return hash.update(JSON.stringify([video, options])).digest('hex');
}

/** All that a stream leaves: an overlay, labels, statistics. */
class Outputs {
  private painter: Painter | undefined;

  private constructor(
    private readonly model: Model,
    private readonly flags: StreamFlags,
    private readonly target: string | undefined,
    private readonly video: VideoWriter | undefined,
    private readonly labelVideo: VideoWriter | undefined,
    private readonly stats: ((line: object) => Promise<void>) | undefined,
  ) {}

  static async open(
    ffmpeg: Ffmpeg,
    source: StreamSource,
    info: StreamInfo | undefined,
    model: Model,
    target: string | undefined,
    recipe: string,
    flags: StreamFlags,
  ): Promise<Outputs> {
    const { labels, resume, fps, from, to } = flags;
    if (resume && source.kind !== 'file') {
      throw new UserError(`${source.name}: only files can be gone on with (--resume)`, 2);
    }
    const frameSeconds = 1 / (fps ?? info?.fps ?? 25);
    const span = [
      ...(from === undefined ? [] : ['-ss', String(from)]),
      ...(to === undefined ? [] : ['-to', String(to)]),
    ];
    const sound = source.kind === 'file' && info?.audio;
    const open = (options: EncodeOptions) =>
      resume ? VideoParts.open(ffmpeg, options, recipe) : wholeVideo(ffmpeg, options);
    const video =
      target === undefined
        ? undefined
        : await open({
            ...{ file: target, pixels: 'rgb24', frameSeconds },
            ...(target === '-' ? { pipe: flags.raw ? 'raw' : 'y4m' } : {}),
            ...(sound ? { audio: { input: [...span, ...source.input], codec: sound } } : {}),
          });
    const asVideo = labels !== undefined && /\.mkv$/i.test(labels);
    if (labels !== undefined && !asVideo) {
      if (isVideoName(labels))
        throw new UserError(`--labels ${labels}: labels are kept exactly in .mkv, or as PNGs in a folder`, 2);
      await makeFolder(labels);
    }
    const labelVideo = asVideo
      ? await open({ file: labels, pixels: 'gray8', frameSeconds, lossless: true })
      : undefined;
    return new Outputs(model, flags, target, video, labelVideo, statsWriter({ ...flags, out: target }));
  }

  /** Frames that need not be done again. */
  get done(): number {
    const each = [this.video, this.labelVideo].flatMap((writer) => (writer ? [writer.done] : []));
    return each.length > 0 ? Math.min(...each) : 0;
  }

  get named(): string[] {
    const { labels, stats } = this.flags;
    return [this.target, labels, stats].filter((name): name is string => name !== undefined && name !== '-');
  }

  async add({
    frame,
    labels,
    ms,
    latencyMs,
    dropped,
    complaints,
    reconnects,
  }: SegmentedFrame): Promise<void> {
    const { flags, model } = this;
    const { index, seconds } = frame;
    const { names } = model.info.classes;
    // A part that one output has and the other lacks is done again for both; what is there is not written twice.
    if (this.video && index >= this.video.done) {
      this.painter ??= await this.makePainter(frame.image.width);
      await this.video.write(this.painter.paint(frame.image, labels), seconds);
    }
    if (this.labelVideo && index >= this.labelVideo.done) await this.labelVideo.write(labels, seconds);
    if (flags.labels !== undefined && !this.labelVideo) {
      const name = `frame-${String(index + 1).padStart(6, '0')}.png`;
      await writeAtomic(path.join(flags.labels, name), await encodeLabelPng(labels));
    }
    if (!this.stats) return;
    const shares = classShares(labels, names.length);
    const round = (value: number, digits: number) => Number(value.toFixed(digits));
    await this.stats({
      ...{ frame: index, seconds: round(seconds, 6), ms: round(ms, 2), latencyMs: round(latencyMs, 2) },
      shares: Object.fromEntries(names.map((name, i) => [name, round(shares[i], 5)])),
      ...{ dropped, complaints, reconnects },
    });
  }

  /** @param stopped before the end. */
  async finish(stopped: boolean): Promise<void> {
    if (stopped && this.flags.resume) {
      await this.abort();
      return;
    }
    await this.video?.finish();
    await this.labelVideo?.finish();
  }

  async abort(): Promise<void> {
    await this.video?.abort();
    await this.labelVideo?.abort();
  }

  private async makePainter(width: number): Promise<Painter> {
    const { alpha, legend, sideBySide: beside = false } = this.flags;
    const { classes } = this.model.info;
    const band = legend ? await legendBand(classes, () => true, width * (beside ? 2 : 1)) : undefined;
    return new Painter(classes.colours as Rgb[], alpha, { beside, band });
  }
}

/** Lines of JSON, to a file or standard output; waits where they are not taken. */
function statsWriter({ stats, json, out }: StreamFlags): ((line: object) => Promise<void>) | undefined {
  if (stats === undefined && !json) return undefined;
  if ((json || stats === '-') && out === '-') {
    throw new UserError('--out -: frames and lines of JSON cannot both go to standard output', 2);
  }
  const file = stats === undefined || stats === '-' ? process.stdout : createWriteStream(stats);
  let failure: Error | undefined;
  file.on('error', (error: Error) => {
    failure = error;
  });
  return async (line) => {
    if (failure)
      throw new UserError(`${stats}: cannot be written (${failure.message})`, 1, { cause: failure });
    if (file.write(`${JSON.stringify(line)}\n`)) return;
    await new Promise<void>((resolve) => file.once('drain', () => resolve()).once('error', () => resolve()));
  };
}

/** What a person sees: a bar where the end is known, else a line now and then. */
class StreamDisplay {
  private readonly progress: Progress | undefined;
  private readonly began = performance.now();
  private toldAt = this.began;
  private frames = 0;
  private networkMs = 0;
  private computed = 0;
  private readonly latencies: number[] = [];

  constructor(
    private readonly source: StreamSource,
    total: number | undefined,
    done: number,
  ) {
    if (total !== undefined) this.progress = new Progress('frames', Math.max(total, done), done);
  }

  show(result: SegmentedFrame): void {
    const { frame, ms, latencyMs, dropped } = result;
    this.frames++;
    this.networkMs += ms;
    if (ms > 0) this.computed++;
    this.latencies[this.frames % 500] = latencyMs;
    const rate = formatRate((1000 * this.frames) / (performance.now() - this.began));
    if (this.progress) {
      this.progress.update(frame.index + 1, rate.replace('images', 'frames'));
      return;
    }
    if (performance.now() - this.toldAt < 5000) return;
    this.toldAt = performance.now();
    const live =
      this.source.kind === 'live' ? ` · latency ${latencyMs.toFixed(0)} ms · ${dropped} dropped` : '';
    process.stderr.write(`frame ${frame.index + 1} · ${rate.replace('images', 'frames')}${live}\n`);
  }

  note(message: string): void {
    const line = `note: ${this.source.name}: ${message}`;
    if (this.progress) this.progress.log(line);
    else process.stderr.write(`${line}\n`);
  }

  stop(): void {
    this.progress?.stop();
  }

  report(
    last: SegmentedFrame | undefined,
    named: readonly string[],
    { out, json, stats }: StreamFlags,
  ): void {
    const seconds = (performance.now() - this.began) / 1000;
    const network =
      this.computed > 0 ? `, network ${(this.networkMs / this.computed).toFixed(1)} ms a frame` : '';
    const parts = [
      `${this.frames} frames in ${formatDuration(seconds)} (${formatRate(this.frames / seconds).replace('images', 'frames')}${network})`,
    ];
    if (this.source.kind === 'live' && this.latencies.length > 0) {
      const sorted = this.latencies.filter((value) => value !== undefined).sort((a, b) => a - b);
      const at = (share: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
      parts.push(`latency ${at(0.5)} ms, 95 % below ${at(0.95)} ms`, `${last?.dropped ?? 0} frames dropped`);
      if (last && last.reconnects > 0) parts.push(`connected again ${last.reconnects} times`);
    }
    if (last && last.complaints > 0) parts.push(`ffmpeg told of ${last.complaints} damaged places`);
    if (last?.flicker) {
      const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
      parts.push(
        `flicker ${percent(last.flicker.before)} of the cells a frame, ${percent(last.flicker.after)} smoothed`,
      );
    }
    const text = `${parts.join(' · ')}${named.length > 0 ? `: ${named.join(', ')}` : ''}\n`;
    const taken = out === '-' || json || stats === '-' || named.length === 0;
    (taken ? process.stderr : process.stdout).write(text);
  }
}

/** Ctrl-C, a request to end, or a closed terminal end the stream so that its files can be played; twice: at once. */
function stopSignal(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nvnet: ending the files; once more to stop at once\n');
    controller.abort();
  };
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of names) process.off(name, stop);
    },
  };
}
