import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { pino } from 'pino';
import { UserError } from '../errors.js';
import type { Ffmpeg } from '../stream/ffmpeg.js';
import { findFfmpeg } from '../stream/ffmpeg.js';
import { createApp } from './app.js';
import { Bodies } from './body.js';
import { Metrics } from './metrics.js';
import { Repository } from './repository.js';
import { Segmenting } from './segmenting.js';
import type { Services } from './services.js';
import type { ServerSettings } from './settings.js';
import { LiveStream } from './video/live.js';
import { Places } from './video/places.js';

/** A server that runs. */
export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** Takes no more requests, finishes what runs (at most `grace` seconds), frees threads and memory. */
  stop(): Promise<void>;
}

/** Longest wait for the next bytes of a connection. */
const idleMs = 15_000;
const mostUploadMs = 3_600_000;
/**
 * Longest wait for the next request of a connection: clients and proxies (most after 60 s) leave before, as a request that
 * is on its way when the server leaves gets no answer.
 */
const keepAliveMs = 75_000;
const mostConnections = 1024;
const mostHeaderBytes = 16_384;
const mostHeaders = 100;

/**
 * Starts the server.
 * @param version of the package, for the document.
 * @throws UserError where the models' folder cannot be read, or the address is taken or not of this machine.
 */
export async function startServer(settings: ServerSettings, version: string): Promise<RunningServer> {
  const log = pino({ level: settings.logLevel, base: undefined }, pino.destination(2));
  let ready = true;
  const repository = new Repository(settings.models);
  await repository.entries();
  const { limits, streams = [] } = settings;
  const ffmpeg = await ffmpegFor(settings);
  const bodies = new Bodies(limits.bodies, limits.bytes, limits.seconds);
  const videos = new Places(limits.videos, 'videos');
  const metrics: Metrics = new Metrics({
    vnet_waiting: ['Pictures that wait or run', () => segmenting.waiting],
    vnet_arena_bytes: ['Memory of arenas of all models and sizes', () => segmenting.arenaBytes],
    vnet_arena_limit_bytes: ['The most that arenas may take', () => limits.memory],
    vnet_body_bytes: ['Request bodies in memory', () => bodies.held],
    vnet_videos: ['Videos that are computed', () => videos.used],
  });
  const segmenting: Segmenting = new Segmenting(settings, metrics);
  const shared = ffmpeg && {
    ...{ ffmpeg, segmenting, repository, size: settings.streamSize ?? 'auto', mostPixels: limits.pixels },
    frames: (name: string, ms: number) => metrics.live(name, ms),
  };
  const live = new Map(
    streams.flatMap(({ name, source }) => (shared ? [[name, new LiveStream(name, source, shared)]] : [])),
  );
  const services: Services = {
    settings,
    version,
    log,
    metrics,
    repository,
    bodies,
    segmenting,
    ffmpeg,
    videos,
    live,
    isReady: () => ready,
  };
  const server = createServer(
    {
      maxHeaderSize: mostHeaderBytes,
      // From the first to the last byte of a request, a long video's too; pictures have a limit of their own.
      requestTimeout: mostUploadMs,
      headersTimeout: Math.min(idleMs, 1000 * settings.limits.seconds),
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: keepAliveMs,
    },
    getRequestListener(createApp(services).fetch),
  );
  server.maxConnections = mostConnections;
  server.maxHeadersCount = mostHeaders;
  await listen(server, settings);
  const { port } = server.address() as AddressInfo;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return {
    url: `http://${host}:${port}`,
    async stop() {
      if (!ready) return;
      ready = false;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Those that are answered from now on become idle too.
      const idle = setInterval(() => server.closeIdleConnections(), 100);
      for (const stream of live.values()) stream.end();
      const late = setTimeout(() => server.closeAllConnections(), 1000 * settings.grace);
      await closed;
      clearInterval(idle);
      clearTimeout(late);
      await segmenting.dispose();
    },
  };
}

/** Pictures need none; live streams do. */
async function ffmpegFor({ ffmpeg, streams = [] }: ServerSettings): Promise<Ffmpeg | undefined> {
  try {
    return await findFfmpeg(ffmpeg);
  } catch (error) {
    if (streams.length > 0 || ffmpeg !== undefined || !(error instanceof UserError)) throw error;
    return undefined;
  }
}

const listen = (server: Server, { host, port }: ServerSettings): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => {
      const why =
        code === 'EADDRINUSE'
          ? 'another program listens there; choose another port'
          : `cannot listen there (${code}); give an address of this machine`;
      reject(new UserError(`${host}:${port}: ${why}`));
    });
    server.listen(port, host, () => resolve());
  });
