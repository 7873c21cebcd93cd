import { createServer, type Server } from 'node:http';
import { UserError } from '../errors.js';
import type { WorkerState } from './worker.js';

/**
 * Answers `GET /livez` (the process runs) and `GET /readyz` (it takes jobs; 503 where it drains or Redis is gone) with
 * the worker's state as JSON.
 * @throws UserError where the port is taken.
 */
export async function serveHealth(
  { host, port }: { readonly host: string; readonly port: number },
  state: () => WorkerState,
): Promise<Server> {
  const server = createServer((request, response) => {
    const now = state();
    const ready = now.state === 'working' || now.state === 'waiting';
    const status = request.url === '/livez' ? 200 : request.url === '/readyz' ? (ready ? 200 : 503) : 404;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(status === 404 ? '{}\n' : `${JSON.stringify(now)}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ message }) =>
      reject(new UserError(`${host}:${port}: health cannot be served (${message}); choose another port`)),
    );
    server.listen(port, host, resolve);
  });
  return server;
}
