import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { pino } from 'pino';
import { UserError } from '../errors.js';
import { createApp } from './app.js';
import { Bodies } from './body.js';
import { Metrics } from './metrics.js';
import { Repository } from './repository.js';
import { Segmenting } from './segmenting.js';
import type { Services } from './services.js';
import type { ServerSettings } from './settings.js';

/** A server that runs. */
export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** Takes no more requests, finishes what runs (at most `grace` seconds), frees threads and memory. */
  stop(): Promise<void>;
}

/** Longest wait for the next bytes of a connection. */
const idleMs = 15_000;
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
  const bodies = new Bodies(settings.limits.bodies, settings.limits.bytes);
  const metrics: Metrics = new Metrics({
    vnet_waiting: ['Pictures that wait or run', () => segmenting.waiting],
    vnet_arena_bytes: ['Memory of arenas of all models and sizes', () => segmenting.arenaBytes],
    vnet_arena_limit_bytes: ['The most that arenas may take', () => settings.limits.memory],
    vnet_body_bytes: ['Request bodies in memory', () => bodies.held],
  });
  const segmenting: Segmenting = new Segmenting(settings, metrics);
  const services: Services = {
    settings,
    version,
    log,
    metrics,
    repository,
    bodies,
    segmenting,
    isReady: () => ready,
  };
  const server = createServer(
    {
      maxHeaderSize: mostHeaderBytes,
      // From the first to the last byte of a request; slower ones are answered with 408.
      requestTimeout: 1000 * settings.limits.seconds,
      headersTimeout: Math.min(idleMs, 1000 * settings.limits.seconds),
      connectionsCheckingInterval: 1000,
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
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), 1000 * settings.grace);
      await closed;
      clearTimeout(late);
      await segmenting.dispose();
    },
  };
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
