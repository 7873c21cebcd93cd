import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import type { Rgb } from '../data/classes.js';
import { makeFolder, writeAtomic } from '../data/files.js';
import { encodeLabelPng } from '../data/image.js';
import { UserError } from '../errors.js';
import type { Model } from '../model/model.js';
import { legendBand } from '../report/legend.js';
import type { EncodeOptions } from '../stream/encode.js';
import type { Ffmpeg } from '../stream/ffmpeg.js';
import { classShares, Painter } from '../stream/paint.js';
import type { VideoWriter } from '../stream/parts.js';
import { VideoParts, wholeVideo } from '../stream/parts.js';
import type { StreamInfo } from '../stream/probe.js';
import type { SegmentedFrame } from '../stream/segment.js';
import type { StreamSource } from '../stream/source.js';
import { isVideoName } from '../stream/source.js';
import type { StreamFlags } from './streamFlags.js';

/** All that a stream leaves: an overlay, labels, statistics. */
export class StreamOutputs {
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
  ): Promise<StreamOutputs> {
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
            ...{ file: target, frameSeconds },
            ...(target === '-'
              ? { pixels: 'rgb24', pipe: flags.raw ? 'raw' : 'y4m' }
              : { pixels: 'yuv420p' }),
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
    return new StreamOutputs(model, flags, target, video, labelVideo, statsWriter({ ...flags, out: target }));
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
    return new Painter(classes.colours as Rgb[], alpha, { beside, band, planes: this.target !== '-' });
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
    // An error is told with the next line.
    await once(file, 'drain').catch(() => undefined);
  };
}
