import { promises as fs } from 'node:fs';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { makeFolder, temporaryName, unwritable } from '../data/files.js';
import { UserError } from '../errors.js';
import type { Ffmpeg, Run } from './ffmpeg.js';
import { atOnce, mediaThreads, passthrough, startFfmpeg } from './ffmpeg.js';
import type { RawPixels } from './matroska.js';
import { frameHeader, matroskaHeader } from './matroska.js';

/** What a video is written as. */
export interface EncodeOptions {
  /** Where; `-` is standard output. The ending of the name chooses the format. */
  readonly file: string;
  readonly pixels: RawPixels;
  /** How long a frame usually lasts. */
  readonly frameSeconds: number;
  /** Every value is kept, as labels need it. */
  readonly lossless?: boolean;
  /**
   * For `-`. On standard output: frames as they are, or yuv4mpeg. For {@link Encoder.output}: a video that is played
   * while it comes (fragmented MP4), or with every value kept (FFV1 in Matroska).
   */
  readonly pipe?: 'raw' | 'y4m' | 'mp4' | 'ffv1';
  /** A file whose sound is taken over, and how it was cut. */
  readonly audio?: { readonly input: readonly string[]; readonly codec: string };
}

/** Codecs of sound that MP4 and QuickTime files hold as they are. */
const mp4Audio = new Set(['aac', 'mp3', 'ac3', 'eac3', 'alac', 'opus', 'flac']);

/**
 * Writes frames into a video with the times they have; they are encoded by ffmpeg while the next ones are computed. A
 * file has its name when it is whole.
 */
export class Encoder {
  /** Frames written. */
  frames = 0;
  /** What an encoder of `mp4` or `ffv1` makes, from the first frame on. */
  output: Readable | undefined;
  private run: Run | undefined;
  private readonly temporary: string;
  private sending: Promise<void> = Promise.resolve();
  /** Rejects what is being sent. */
  private giveUp: ((error: unknown) => void) | undefined;
  /** Why nothing more can be sent. */
  private gone: unknown;
  private size = '';

  constructor(
    private readonly ffmpeg: Ffmpeg,
    private readonly options: EncodeOptions,
  ) {
    const { file } = options;
    const { dir, base } = path.parse(temporaryName(path.resolve(file)));
    // The ending tells ffmpeg the format.
    this.temporary = file === '-' ? '-' : path.join(dir, base + path.extname(file));
  }

  /**
   * Sends a frame; returns when the one before has left, so that its memory may be used again after the next call, or
   * after {@link flush}.
   */
  async write(
    image: { readonly width: number; readonly height: number; readonly data: Uint8Array },
    seconds: number,
  ): Promise<void> {
    await this.sending;
    const { file } = this.options;
    const size = `${image.height}×${image.width}`;
    if (!this.run) {
      if (file !== '-') await makeFolder(path.dirname(path.resolve(file)));
      this.size = size;
      this.begin(image, seconds);
    }
    if (size !== this.size) {
      throw new UserError(
        `${file}: frames were ${this.size} and are ${size} now; cut the video there (\`from\`, \`to\`)`,
      );
    }
    this.sending = this.send(frameHeader(seconds, image.data.length), image.data);
    this.sending.catch(() => undefined);
    this.frames++;
  }

  /** Waits until all frames have left. */
  flush(): Promise<void> {
    return this.sending;
  }

  /** Ends the video and gives it its name. @returns whether there is one. */
  async finish(): Promise<boolean> {
    const { run } = this;
    if (!run) return false;
    await this.sending;
    run.child.stdin!.end();
    await run.ended;
    if (this.temporary === '-') return true;
    try {
      await fs.rename(this.temporary, this.options.file);
    } catch (error) {
      throw unwritable(this.options.file, error);
    }
    return true;
  }

  /** Throws away what was written. */
  async abort(): Promise<void> {
    this.run?.child.kill('SIGKILL');
    await this.run?.ended.catch(() => undefined);
    if (this.temporary !== '-') await fs.rm(this.temporary, { force: true });
  }

  private begin(size: { width: number; height: number }, first: number): void {
    const { file, pipe, pixels, frameSeconds } = this.options;
    const mine = pipe === 'mp4' || pipe === 'ffv1';
    this.run = startFfmpeg(this.ffmpeg, encodeArguments(this.ffmpeg, this.options, this.temporary, first), {
      stdio: ['pipe', mine ? 'pipe' : file === '-' ? 'inherit' : 'ignore', 'pipe'],
      name: file,
    });
    if (mine) this.output = this.run.child.stdout!;
    const over = (error: unknown): void => {
      this.gone = error;
      this.giveUp?.(error);
    };
    this.run.ended.then(() => over(new UserError(`${file}: ffmpeg ended before the last frame`)), over);
    // A broken pipe is told by how ffmpeg ends.
    this.run.child.stdin!.on('error', () => undefined);
    this.run.child.stdin!.write(matroskaHeader(size, pixels, frameSeconds));
  }

  private send(...parts: Uint8Array[]): Promise<void> {
    const { child, ended } = this.run!;
    const input: Writable = child.stdin!;
    // No race with `ended`: that would keep something of each frame until the last.
    return new Promise((resolve, reject) => {
      this.giveUp = reject;
      if (this.gone) reject(this.gone);
      for (const part of parts.slice(0, -1)) input.write(part);
      input.write(parts[parts.length - 1], (error) => {
        if (!error) resolve();
        else ended.then(() => reject(this.notTaken(error)), reject);
      });
    });
  }

  private notTaken({ message }: Error): UserError {
    return new UserError(`${this.options.file}: ffmpeg does not take the frames (${message})`);
  }
}

function encodeArguments(
  ffmpeg: Ffmpeg,
  { file, lossless, pipe, audio, pixels }: EncodeOptions,
  target: string,
  first: number,
): string[] {
  // Frames begin when they begin: ffmpeg would move them to 0, away from the sound.
  const frames = ['-itsoffset', String(first), '-f', 'matroska', '-i', 'pipe:0'];
  const ending = path.extname(file).toLowerCase();
  if (pipe === 'raw')
    return [...frames, '-f', 'rawvideo', '-pix_fmt', pixels, ...passthrough(ffmpeg), ...atOnce, 'pipe:1'];
  if (pipe === 'y4m') {
    return [
      ...frames,
      '-f',
      'yuv4mpegpipe',
      '-pix_fmt',
      'yuv444p',
      '-strict',
      '-1',
      ...passthrough(ffmpeg),
      'pipe:1',
    ];
  }
  if (pipe === 'ffv1') return [...frames, ...times(ffmpeg), '-c:v', 'ffv1', '-f', 'matroska', 'pipe:1'];
  if (pipe === 'mp4') {
    return [
      ...[...frames, ...playable, ...times(ffmpeg), ...codec(ffmpeg, '.mp4'), '-g', '50'],
      ...['-movflags', 'empty_moov+default_base_moof', '-frag_duration', '500000'],
      ...['-video_track_timescale', '1000000', '-f', 'mp4', 'pipe:1'],
    ];
  }
  if (lossless) return [...frames, ...times(ffmpeg), '-c:v', 'ffv1', '-y', target];
  const mp4 = ['.mp4', '.m4v', '.mov'].includes(ending);
  const sound = audio ? ['-map', '1:a:0', '-c:a', !mp4 || mp4Audio.has(audio.codec) ? 'copy' : 'aac'] : [];
  return [
    ...frames,
    ...(audio?.input ?? []),
    ...['-map', '0:v:0', ...sound],
    ...playable,
    ...times(ffmpeg),
    ...codec(ffmpeg, ending),
    ...(mp4 ? ['-movflags', '+faststart', '-video_track_timescale', '1000000'] : []),
    ...['-y', target],
  ];
}

/** What players take: the planes that {@link Painter} makes; and what they are. */
const playable = [
  ...['-pix_fmt', 'yuv420p'],
  ...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'tv'],
];

/** Each frame once, at its own time. */
const times = (ffmpeg: Ffmpeg): string[] => [...passthrough(ffmpeg), '-enc_time_base', '1:1000000'];

/**
 * The quickest: the cores are needed for the network. (`superfast` takes 2.2 to 2.5 times as long and gives 56 to 65 % of the
 * bytes.) @throws UserError for endings that are no video's. */
function codec({ encoders }: Ffmpeg, ending: string): string[] {
  if (ending === '.webm') return ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '4M'];
  if (ending === '.avi') return ['-c:v', 'mpeg4', '-q:v', '3'];
  if (!['.mp4', '.m4v', '.mov', '.mkv', '.ts'].includes(ending)) {
    throw new UserError(
      `${ending || 'no ending'}: expected a video file that ends in .mp4, .mov, .mkv, .webm, .ts or .avi`,
      2,
    );
  }
  return encoders.has('libx264')
    ? ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '20', ...mediaThreads]
    : ['-c:v', 'mpeg4', '-q:v', '3'];
}
