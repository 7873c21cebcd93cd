import { train } from '../../src/train/train.js';
import { shortRun } from './support.js';

/** Trains in a process of its own, to be killed: `node killed-child.js DATA OUT new|resume`. */
const [data, out, mode] = process.argv.slice(2);
await train({
  ...shortRun(data, out),
  epochs: 4,
  resume: mode === 'resume',
  // A save after every step: many moments inside a save.
  saveEveryMinutes: 1e-9,
  onEvent: (event) => event.type === 'start' && process.stdout.write('started\n'),
});
