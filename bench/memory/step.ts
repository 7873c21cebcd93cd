/** One epoch in a process of its own, which then prints what it took: `node step.js DATA OUT BATCH`. */
import { readFileSync } from 'node:fs';
import { train } from '../../src/train/train.js';

const [data, out, batch] = process.argv.slice(2);
let planBytes = 0;
const { step } = await train({
  data,
  out,
  epochs: 1,
  batch: Number(batch),
  validateEvery: 0,
  onEvent: (event) => {
    if (event.type === 'start') planBytes = event.planBytes;
  },
});
process.stdout.write(
  `${JSON.stringify({ planBytes, peakBytes: peakBytes(), programBytes: programBytes(), steps: step })}\n`,
);

/** Linux: of this program alone, where `maxRSS` counts what the process was before it was this program. */
function peakBytes(): number {
  if (process.platform !== 'linux') return 1024 * process.resourceUsage().maxRSS;
  return status('VmHWM');
}

/** Of it, mapped files: Node and its libraries, which are in memory once for all processes. Elsewhere 0, not known. */
function programBytes(): number {
  return process.platform === 'linux' ? status('RssFile') : 0;
}

function status(name: string): number {
  const line = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'latin1'));
  return 1024 * Number(line![1]);
}
