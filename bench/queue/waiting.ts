/**
 * A machine that waits instead of computing, and does all else that a worker does: claims batches, reads the weights of
 * a step, hands gradients in. `node waiting.js URL MACHINES MS STATISTICS`: so many of them, which take so long a batch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import type { GradientJob } from '../../src/queue/contract.js';
import { gradientJob, keysOf } from '../../src/queue/contract.js';
import type { Task } from '../../src/queue/task.js';
import { claimBatch, handIn } from '../../src/queue/work/places.js';
import { QueueWorker } from '../../src/queue/worker.js';

const [url, ...numbers] = process.argv.slice(2);
const [machines, ms, statistics] = numbers.map(Number);

const task: Task<GradientJob> = {
  kind: 'gradients',
  job: gradientJob,
  open: async (run, { redis }) => {
    let [step, length] = [-1, 0];
    return {
      async compute(job, id) {
        const batch = await claimBatch(redis, job, id, []);
        if (batch < 0) return;
        if (step !== job.step) {
          const weights = await redis.getBuffer(keysOf(run).weights(job.step));
          if (!weights) return;
          [step, length] = [job.step, weights.length / 4];
        }
        await sleep(ms);
        const [grads, added] = [new Float32Array(length).fill(1e-3), new Float32Array(statistics)];
        await handIn(redis, job, batch, { loss: 1, weight: 1, grads, statistics: added });
      },
      close: async () => undefined,
    };
  },
};

const worker = await QueueWorker.open({
  ...{ url, tasks: [task as Task], backend: wasmBackend, concurrency: machines },
});
process.send?.('ready');
await worker.run(new AbortController().signal);
