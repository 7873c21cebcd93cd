/** Entry of a worker thread in a browser. */
import type { Request } from './worker.js';
import { server } from './worker.js';

const serve = server((message) => postMessage(message));
addEventListener('message', ({ data }: MessageEvent<Request>) => serve(data));
postMessage('ready');
