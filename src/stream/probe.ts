import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { UserError } from '../errors.js';
import type { Ffmpeg } from './ffmpeg.js';
import type { StreamSource } from './source.js';

const ratio = z
  .string()
  .transform((text) => {
    const [over, under] = text.split('/').map(Number);
    return over / under;
  })
  .optional();

const probed = z.object({
  streams: z.array(
    z.object({
      codec_type: z.string().optional(),
      codec_name: z.string().optional(),
      color_transfer: z.string().optional(),
      avg_frame_rate: ratio,
      r_frame_rate: ratio,
      nb_frames: z.coerce.number().optional(),
      disposition: z.object({ attached_pic: z.number().optional() }).optional(),
    }),
  ),
  format: z.object({ duration: z.coerce.number().optional() }).optional(),
});

/** What a video says of itself. */
export interface StreamInfo {
  /** Frames a second, on average. */
  readonly fps: number;
  readonly seconds?: number;
  /** Told by the file, or estimated. */
  readonly frames?: number;
  /** Codec of the first audio stream. */
  readonly audio?: string;
  /** High dynamic range: brightness must be mapped to that of ordinary pictures. */
  readonly hdr: boolean;
}

/**
 * What a source says of itself, and what it turned out to be: a playlist that tells its length has ended (HLS:
 * `#EXT-X-ENDLIST`, DASH: `static`), and is a file whose frames all count. A pipe says nothing; a live stream need not
 * answer at once: the feed tries again, and says what is wrong.
 * @throws UserError where a file is missing, damaged, or has no video.
 */
export async function identify(
  ffmpeg: Ffmpeg,
  source: StreamSource,
): Promise<{ readonly source: StreamSource; readonly info?: StreamInfo }> {
  if (source.kind === 'pipe') return { source };
  try {
    const info = await probe(ffmpeg, source);
    return { source: (info.seconds && source.ended) || source, info };
  } catch (error) {
    if (source.kind !== 'live') throw error;
    return { source };
  }
}

/** @throws UserError where it is missing, damaged, or has no video. */
export async function probe({ probe: program }: Ffmpeg, { name, input }: StreamSource): Promise<StreamInfo> {
  const args = ['-v', 'error', '-of', 'json', '-show_streams', '-show_format', ...input];
  let text: string;
  try {
    ({ stdout: text } = await promisify(execFile)(program, args, { maxBuffer: 1 << 24, timeout: 30_000 }));
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? '')
      .trim()
      .split('\n');
    const why = said[said.length - 1].replace(/^\[[^\]]*\] ?/, '').replace(/^.*: (?=[A-Z])/, '');
    throw new UserError(`${name}: cannot be opened as a video (${why || 'no answer in 30 seconds'})`);
  }
  const parsed = probed.safeParse(JSON.parse(text || '{}'));
  const streams = parsed.success ? parsed.data.streams : [];
  const video = streams.find(
    ({ codec_type, disposition }) => codec_type === 'video' && !disposition?.attached_pic,
  );
  if (!video) throw new UserError(`${name}: has no video`);
  const rate = [video.avg_frame_rate, video.r_frame_rate].find((fps) => fps && Number.isFinite(fps));
  const fps = rate ?? 25;
  const seconds = parsed.data?.format?.duration;
  const known = video.nb_frames && Number.isFinite(video.nb_frames) ? video.nb_frames : undefined;
  const frames = known ?? (seconds ? Math.max(1, Math.round(seconds * fps)) : undefined);
  const audio = streams.find(({ codec_type }) => codec_type === 'audio')?.codec_name;
  const hdr = /^(smpte2084|arib-std-b67)$/.test(video.color_transfer ?? '');
  return { fps, seconds, frames, audio, hdr };
}
