import { promises as fs } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { isFile, makeFolder, unwritable, writeAtomic } from '../data/files.js';
import { UserError } from '../errors.js';
import type { EncodeOptions } from './encode.js';
import { Encoder } from './encode.js';
import type { Ffmpeg } from './ffmpeg.js';
import { startFfmpeg } from './ffmpeg.js';

/** Frames of a part. */
const partFrames = 250;

const stateSchema = z.object({
  recipe: z.string(),
  /** Seconds of the first frame of each part. */
  starts: z.array(z.number()),
});

/** Where frames go: a whole video at once, or parts that come together at the end. */
export interface VideoWriter {
  /** Frames that are there already. */
  readonly done: number;
  write(
    image: { readonly width: number; readonly height: number; readonly data: Uint8Array },
    seconds: number,
  ): Promise<void>;
  finish(): Promise<boolean>;
  /** @param keep what is finished. */
  abort(keep?: boolean): Promise<void>;
}

/** A video written in one go. */
export function wholeVideo(ffmpeg: Ffmpeg, options: EncodeOptions): VideoWriter {
  const encoder = new Encoder(ffmpeg, options);
  return {
    done: 0,
    write: (image, seconds) => encoder.write(image, seconds),
    finish: () => encoder.finish(),
    abort: () => encoder.abort(),
  };
}

/**
 * A long video in parts of {@link partFrames} frames in a folder beside it: one that was stopped, or killed, goes on at the
 * first part that is missing. Together they become the video, and the folder goes.
 */
export class VideoParts implements VideoWriter {
  private encoder: Encoder | undefined;
  private written = 0;

  private constructor(
    private readonly ffmpeg: Ffmpeg,
    private readonly options: EncodeOptions,
    private readonly folder: string,
    private readonly state: z.infer<typeof stateSchema>,
    private parts: number,
  ) {}

  /** @param recipe what decides the frames: the video, the model, the options. */
  static async open(ffmpeg: Ffmpeg, options: EncodeOptions, recipe: string): Promise<VideoParts> {
    const folder = `${options.file}.parts`;
    const file = path.join(folder, 'parts.json');
    let state: z.infer<typeof stateSchema> = { recipe, starts: [] };
    if (isFile(file)) {
      const parsed = stateSchema.safeParse(JSON.parse(await fs.readFile(file, 'utf8').catch(() => 'null')));
      if (!parsed.success || parsed.data.recipe !== recipe) {
        throw new UserError(
          `${folder}: holds parts of another video, or made with another model or other options; delete it, or choose another place`,
        );
      }
      state = parsed.data;
    }
    await makeFolder(folder);
    let parts = 0;
    while (parts < state.starts.length && isFile(partFile(folder, parts))) parts++;
    state.starts.length = parts;
    return new VideoParts(ffmpeg, options, folder, state, parts);
  }

  get done(): number {
    return this.parts * partFrames;
  }

  async write(image: Parameters<VideoWriter['write']>[0], seconds: number): Promise<void> {
    if (!this.encoder) {
      const { audio: _, ...options } = this.options;
      this.encoder = new Encoder(this.ffmpeg, { ...options, file: partFile(this.folder, this.parts) });
      this.state.starts[this.parts] = seconds;
    }
    await this.encoder.write(image, seconds);
    if (++this.written === partFrames) await this.endPart();
  }

  private async endPart(): Promise<void> {
    await this.encoder!.finish();
    this.encoder = undefined;
    this.written = 0;
    this.parts++;
    const text = `${JSON.stringify(this.state)}\n`;
    await writeAtomic(path.join(this.folder, 'parts.json'), Buffer.from(text));
  }

  async finish(): Promise<boolean> {
    if (this.encoder) await this.endPart();
    if (this.parts === 0) return false;
    const { starts } = this.state;
    // Each part lasts until the next begins.
    const list = starts.flatMap((start, i) => [
      `file '${path.basename(partFile(this.folder, i))}'`,
      ...(i + 1 < starts.length ? [`duration ${(starts[i + 1] - start).toFixed(6)}`] : []),
    ]);
    const index = path.join(this.folder, 'list.txt');
    await writeAtomic(index, Buffer.from(`${list.join('\n')}\n`));
    const { file, audio } = this.options;
    const whole = path.join(this.folder, `whole${path.extname(file)}`);
    const mp4 = /\.(mp4|m4v|mov)$/i.test(file);
    const run = startFfmpeg(
      this.ffmpeg,
      [
        ...['-nostdin', '-itsoffset', String(starts[0]), '-f', 'concat', '-safe', '0', '-i', index],
        ...(audio ? [...audio.input, '-map', '0:v:0', '-map', '1:a:0'] : []),
        ...['-c', 'copy', ...(mp4 ? ['-movflags', '+faststart', '-video_track_timescale', '1000000'] : [])],
        ...['-y', whole],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], name: file },
    );
    await run.ended;
    try {
      await fs.rename(whole, file);
      await fs.rm(this.folder, { recursive: true });
    } catch (error) {
      throw unwritable(file, error);
    }
    return true;
  }

  async abort(): Promise<void> {
    await this.encoder?.abort();
  }
}

const partFile = (folder: string, part: number): string =>
  path.join(folder, `part-${String(part).padStart(5, '0')}.mkv`);
