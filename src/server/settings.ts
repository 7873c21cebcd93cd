import type { Backend } from '../backends/backend.js';
import type { Precision } from '../compile.js';
import type { StreamSource } from '../stream/source.js';

/** How a server runs. Sizes in bytes and pixels, times in seconds. */
export interface ServerSettings {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** A folder of models, see {@link Repository}; without it only the model that comes with the package. */
  readonly models?: string;
  /** A folder of run folders of `vnet train`, to be looked at; without it none are shown. */
  readonly runs?: string;
  readonly backend: Backend;
  readonly threads?: number;
  readonly precision?: Precision;
  readonly limits: Limits;
  /** Needed in `Authorization: Bearer …`, except for the health of the server. */
  readonly token?: string;
  /** Origins whose pages may call; default none. */
  readonly cors: readonly string[];
  /** Cameras and addresses that are shown live, by name. */
  readonly streams?: readonly { readonly name: string; readonly source: StreamSource }[];
  /** What the network sees of live frames: `auto` (default), `own` or `HEIGHTxWIDTH`. */
  readonly streamSize?: string;
  /** The ffmpeg program; default: the one in PATH. */
  readonly ffmpeg?: string;
  /** A folder of a built page to serve at `/`. */
  readonly site?: string;
  /** How long a stop waits for what runs. */
  readonly grace: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

export interface Limits {
  /** Of one request's body. */
  readonly bytes: number;
  /** Of one picture. */
  readonly pixels: number;
  /** From the first byte of a request to the start of its computation. */
  readonly seconds: number;
  /** Pictures that may wait or run at a time; more are answered with 429. */
  readonly waiting: number;
  /** Bodies of all requests together; more are answered with 503. */
  readonly bodies: number;
  /** Arenas of all models and sizes together. */
  readonly memory: number;
  /** Pictures of one batch. */
  readonly batch: number;
  /** Videos that are computed at a time; more are answered with 429. */
  readonly videos: number;
  /** Of one video, which lies on disk meanwhile. */
  readonly videoBytes: number;
}

export const defaultLimits: Omit<Limits, 'memory'> = {
  bytes: 32 * 2 ** 20,
  pixels: 2 ** 25,
  seconds: 30,
  waiting: 64,
  bodies: 256 * 2 ** 20,
  batch: 64,
  videos: 2,
  videoBytes: 2 ** 30,
};
