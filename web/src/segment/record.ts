import type { CanvasSource, Output } from 'mediabunny';
import { text } from '../text.ts';

/** Codecs from the one that most programs play to those that browsers without it have, and their containers. */
const codecs = ['avc', 'vp9', 'av1', 'vp8'] as const;
type Codec = (typeof codecs)[number];
const isMp4 = (codec: Codec): boolean => codec === 'avc';

interface Encoding {
  readonly output: Output;
  readonly source: CanvasSource;
  readonly codec: Codec;
  readonly written: () => ArrayBuffer | null;
}

/** Records what is drawn, through WebCodecs: MP4 where the browser encodes H.264, else WebM. */
export class Recording {
  private readonly canvas = document.createElement('canvas');
  private encoding: Promise<Encoding> | undefined;
  private began = 0;
  private last = -1;

  /** How long what was added lasts, in seconds. */
  get seconds(): number {
    return Math.max(0, this.last);
  }

  /**
   * Adds a picture as it is seen now; the first one gives the video its size. Resolves when the encoder takes more.
   * @throws Error, one sentence, where the browser cannot encode video.
   */
  async add(picture: HTMLCanvasElement): Promise<void> {
    const now = performance.now();
    if (!this.encoding) {
      // Codecs halve the colours' resolution, so sides are even.
      this.canvas.width = picture.width - (picture.width % 2);
      this.canvas.height = picture.height - (picture.height % 2);
      this.encoding = begin(this.canvas);
      this.began = now;
    }
    const { source } = await this.encoding;
    this.canvas.getContext('2d')!.drawImage(picture, 0, 0);
    // Times must grow, by more than clocks are coarse.
    const seconds = Math.max((now - this.began) / 1000, this.last + 1e-3);
    this.last = seconds;
    await source.add(seconds, 1 / 30);
  }

  /** @returns the video with the end of its file name. @throws Error, one sentence, where nothing was added. */
  async finish(): Promise<{ video: Blob; ending: string }> {
    if (!this.encoding) throw new Error(text.problems.nothingRecorded);
    const { codec, output, written } = await this.encoding;
    await output.finalize();
    const bytes = written();
    if (!bytes) throw new Error(text.problems.nothingRecorded);
    const ending = isMp4(codec) ? 'mp4' : 'webm';
    return { video: new Blob([bytes], { type: `video/${ending}` }), ending };
  }
}

async function begin(canvas: HTMLCanvasElement): Promise<Encoding> {
  if (typeof VideoEncoder === 'undefined') throw new Error(text.problems.noEncoder);
  // Fetched when somebody records.
  const {
    BufferTarget,
    CanvasSource,
    getFirstEncodableVideoCodec,
    Mp4OutputFormat,
    Output,
    WebMOutputFormat,
  } = await import('mediabunny');
  const { width, height } = canvas;
  const found = await getFirstEncodableVideoCodec([...codecs], { width, height });
  const codec = codecs.find((each) => each === found);
  if (!codec) throw new Error(text.problems.noEncoder);
  const target = new BufferTarget();
  const output = new Output({
    format: isMp4(codec) ? new Mp4OutputFormat() : new WebMOutputFormat(),
    target,
  });
  const source = new CanvasSource(canvas, { codec, bitrate: 8e6 });
  output.addVideoTrack(source);
  await output.start();
  return { output, source, codec, written: () => target.buffer };
}
