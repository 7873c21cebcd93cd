import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

export interface ServeOptions {
  /** The headers under which a page may have threads. Default true. */
  readonly isolated?: boolean;
  /** Gets what a page posts. */
  readonly posted?: (body: string) => void;
}

/**
 * Serves files of this machine to it.
 * @param fileOf the file of a path that starts with a slash; a folder is asked for as its `index.html`.
 */
export async function serveFiles(
  fileOf: (name: string) => string,
  { isolated = true, posted }: ServeOptions = {},
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(async (request, response) => {
    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    if (posted && request.method === 'POST') {
      const body = await text(request);
      response.end();
      posted(body);
      return;
    }
    const file = fileOf(path.normalize(request.url!.replace(/\/$/, '/index.html')));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('Content-Type', types[path.extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
