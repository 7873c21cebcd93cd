import type { Queue } from 'bullmq';
import { keptSeconds } from './contract.js';

/** The jobs of a run, by what they compute: each may be handed out again, the last one counts. */
export class Jobs<Data extends object> {
  private readonly ids = new Map<number, string>();
  private handed = 0;

  constructor(
    private readonly queue: Queue<Data>,
    private readonly run: string,
  ) {}

  async hand(jobs: readonly (readonly [key: number, data: Data])[]): Promise<void> {
    if (jobs.length === 0) return;
    await this.queue.addBulk(
      jobs.map(([key, data]) => {
        const jobId = `${this.run}-${key}-${this.handed++}`;
        this.ids.set(key, jobId);
        return {
          name: this.queue.name,
          data,
          opts: {
            jobId,
            removeOnComplete: true,
            removeOnFail: { age: keptSeconds, count: 1000 },
            ...{ attempts: 3, backoff: { type: 'exponential', delay: 500 } },
          },
        };
      }) as Parameters<Queue<Data>['addBulk']>[0],
    );
  }

  /** Those whose last job does not wait for a worker: it is lost, failed, or a worker has it and gives no answer. */
  async silent(keys: readonly number[]): Promise<number[]> {
    const waits = await Promise.all(
      keys.map(async (key) => {
        const id = this.ids.get(key);
        return id !== undefined && /^(waiting|delayed|prioritized)/.test(await this.queue.getJobState(id));
      }),
    );
    return keys.filter((_, i) => !waits[i]);
  }

  forget(key: number): void {
    this.ids.delete(key);
  }

  /** Takes back what still waits. */
  async withdraw(): Promise<void> {
    await Promise.all([...this.ids.values()].map((id) => this.queue.remove(id).catch(() => undefined)));
  }
}
