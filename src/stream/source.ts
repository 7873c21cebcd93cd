import type { Readable } from 'node:stream';
import { UserError } from '../errors.js';

/** Where frames come from, as ffmpeg is told. */
export interface StreamSource {
  /** For messages. */
  readonly name: string;
  /** `file`: every frame counts; `live`: the newest frame counts; `pipe`: every frame, from standard input. */
  readonly kind: 'file' | 'live' | 'pipe';
  /** What stands before and at `-i`. */
  readonly input: readonly string[];
  /** Of a pipe: what is read instead of this program's standard input. */
  readonly bytes?: Readable;
  /** Of a playlist: the source that it is once nothing more is added to it. */
  readonly ended?: StreamSource;
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
  const web = /^https?:/i.test(text);
  const file: StreamSource = { name: withoutPassword(text), kind: 'file', input: ['-i', text] };
  // Files on the web end; playlists may, which they tell when they are opened.
  if (web && videoEnding.test(text.replace(/\?.*$/, ''))) return file;
  const quick = [...lowDelay, '-analyzeduration', '1000000', '-probesize', '1000000'];
  const live: StreamSource = { ...file, kind: 'live', input: [...rtsp, ...quick, ...file.input] };
  return web && playlist.test(text) ? { ...live, ended: file } : live;
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

/** A file that plays in real time, again and again, as a camera would show it. */
export const loopedSource = (file: string): StreamSource => ({
  name: file,
  kind: 'live',
  input: ['-re', '-stream_loop', '-1', '-i', `file:${file}`],
});

/** Containers that videos come in; none that names other files or addresses, as playlists do. */
const containers =
  'mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,yuv4mpegpipe,mjpeg,h264,hevc,ivf,gif,mxf';

/**
 * A video that somebody sent: ffmpeg opens nothing but its bytes, and refuses much larger frames before it takes
 * memory for them.
 * @param from a file, or bytes that still come.
 */
export function untrustedSource(from: string | Readable, mostPixels: number): StreamSource {
  // Decoders count with the margins of their memory.
  const bounds = ['-format_whitelist', containers, '-max_pixels', String(2 * mostPixels + 65_536)];
  const quiet = { name: 'the video' };
  if (typeof from === 'string') {
    return {
      ...quiet,
      kind: 'file',
      input: ['-protocol_whitelist', 'file', ...bounds, '-i', `file:${from}`],
    };
  }
  const input = ['-protocol_whitelist', 'pipe', ...bounds, '-i', 'pipe:0'];
  return { ...quiet, kind: 'pipe', input, bytes: from };
}

/** Messages and statistics do not tell passwords. */
const withoutPassword = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
