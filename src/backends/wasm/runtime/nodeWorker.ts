/** Entry of a worker thread in Node. */
import { parentPort } from 'node:worker_threads';
import { server } from './worker.js';

const port = parentPort!;
port.on(
  'message',
  server((message) => port.postMessage(message)),
);
