import { UserError } from '../errors.js';

/** Where frames come from, as ffmpeg is told. */
export interface StreamSource {
  /** For messages. */
  readonly name: string;
  /** `file`: every frame counts; `live`: the newest frame counts; `pipe`: every frame, from standard input. */
  readonly kind: 'file' | 'live' | 'pipe';
  /** What stands before and at `-i`. */
  readonly input: readonly string[];
}

const videoEnding = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|m2ts|wmv|flv|ogv|3gp|y4m|mjpe?g)$/i;
const address = /^(rtsps?|rtmps?|https?|udp|tcp|srt|rtp):\/\//i;
const playlist = /\.(m3u8|mpd)(\?|$)/i;

/** Frames are given out as they come. */
const lowDelay = ['-fflags', 'nobuffer', '-flags', 'low_delay'];

/** True where the name looks like a video's. */
export const isVideoName = (name: string): boolean => videoEnding.test(name);

export const isStreamAddress = (text: string): boolean => address.test(text);

/** A video file, an address, or `-`: standard input, a format that ffmpeg recognises, or raw frames of the given size. */
export function sourceOf(
  text: string,
  raw?: { readonly height: number; readonly width: number; readonly fps: number },
): StreamSource {
  if (text === '-') {
    const format = raw
      ? ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${raw.width}x${raw.height}`, '-r', String(raw.fps)]
      : [];
    return { name: 'standard input', kind: 'pipe', input: [...format, '-i', 'pipe:0'] };
  }
  if (raw) throw new UserError(`${text}: only frames on standard input (-) are raw`, 2);
  if (!address.test(text)) return { name: text, kind: 'file', input: ['-i', `file:${text}`] };
  const rtsp = /^rtsps?:/i.test(text) ? ['-rtsp_transport', 'tcp'] : [];
  // Files on the web end; playlists may, and are taken for what they usually are.
  const file = /^https?:/i.test(text) && videoEnding.test(text.replace(/\?.*$/, '')) && !playlist.test(text);
  const quick = file ? [] : [...lowDelay, '-analyzeduration', '1000000', '-probesize', '1000000'];
  return {
    name: withoutPassword(text),
    kind: file ? 'file' : 'live',
    input: [...rtsp, ...quick, '-i', text],
  };
}

/** A camera by its number, or by its device or name. */
export function cameraSource(camera: string, platform: NodeJS.Platform = process.platform): StreamSource {
  const number = /^\d+$/.test(camera);
  const input: Partial<Record<NodeJS.Platform, string[]>> = {
    linux: ['-f', 'v4l2', '-i', number ? `/dev/video${camera}` : camera],
    darwin: ['-f', 'avfoundation', '-framerate', '30', '-i', camera],
    win32: ['-f', 'dshow', '-i', `video=${camera}`],
  };
  const found = input[platform];
  if (!found) throw new UserError(`camera ${camera}: cameras are not known on ${platform}; give an address`);
  return { name: `camera ${camera}`, kind: 'live', input: [...lowDelay, ...found] };
}

/** Messages and statistics do not tell passwords. */
const withoutPassword = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
