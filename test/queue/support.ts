import { after } from 'node:test';
import type { Running } from '../cli/vnet.js';
import { start } from '../cli/vnet.js';
import { redisProgram, TestRedis } from './redis.js';

export { assertSameTraining, until } from './same.js';

export const skip = !redisProgram && 'no redis-server or valkey-server';

/** Worker processes of a test file, and their Redis; all are gone after its tests. */
export class Cluster {
  readonly workers: Running[] = [];
  private redis: TestRedis | undefined;

  constructor(private readonly env: Record<string, string> = {}) {
    after(async () => {
      await this.killAll();
      await this.redis?.stop();
    });
  }

  async start(extra: readonly string[] = []): Promise<TestRedis> {
    this.redis = await TestRedis.start(extra);
    return this.redis;
  }

  get url(): string {
    return this.redis!.url;
  }

  /** Starts a worker. @param args `--data`, `--root` and the like. */
  worker(args: readonly string[], env: Record<string, string> = {}): Running {
    const all = ['worker', '--queue', this.url, '--threads', '1', '--workers', '0', ...args];
    const worker = start(all, { ...this.env, ...env });
    this.workers.push(worker);
    void worker.ended.then(() => {
      const at = this.workers.indexOf(worker);
      if (at >= 0) this.workers.splice(at, 1);
    });
    return worker;
  }

  /** Ends the worker that is there longest without a word, and starts another. */
  async replace(args: readonly string[]): Promise<void> {
    const [victim] = this.workers;
    victim?.interrupt('SIGKILL');
    await victim?.ended;
    this.worker(args);
  }

  async killAll(): Promise<void> {
    const all = [...this.workers];
    for (const worker of all) worker.interrupt('SIGKILL');
    await Promise.all(all.map(({ ended }) => ended));
  }
}
