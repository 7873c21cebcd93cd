import type { Logger } from 'pino';
import type { Ffmpeg } from '../stream/ffmpeg.js';
import type { Bodies } from './body.js';
import type { Metrics } from './metrics.js';
import type { Repository } from './repository.js';
import type { Segmenting } from './segmenting.js';
import type { ServerSettings } from './settings.js';
import type { LiveStream } from './video/live.js';
import type { Places } from './video/places.js';

/** What routes work with. */
export interface Services {
  readonly settings: ServerSettings;
  readonly version: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly repository: Repository;
  readonly bodies: Bodies;
  readonly segmenting: Segmenting;
  /** What reads and writes videos; absent where it is not installed. */
  readonly ffmpeg?: Ffmpeg;
  /** Videos that are computed now. */
  readonly videos: Places;
  readonly live: ReadonlyMap<string, LiveStream>;
  /** False from the moment the server was asked to stop. */
  isReady(): boolean;
}

/** What a request carries from one handler to the next. */
export interface Context {
  Variables: {
    readonly requestId: string;
    /** Aborts when the client has gone or the time limit is over. */
    readonly signal: AbortSignal;
  };
}
