import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { connectRedis, queuePackages, watchRedis } from './connection.js';
import type { Kind } from './contract.js';
import { aliveSeconds, keptSeconds, keysOf, programVersion, queues } from './contract.js';
import { Jobs } from './jobs.js';

/** Milliseconds between two words about workers that give no answer. */
const silenceMs = 60_000;
/** Milliseconds between looks at how many workers there are. */
const lookMs = 2000;

/**
 * What coordinators of every kind share: connections, the sign that somebody waits for results, the setup of the run,
 * and what workers say that refuse it.
 */
export class Coordinator<Job extends object> {
  readonly id: string;
  readonly keys: ReturnType<typeof keysOf>;
  readonly jobs: Jobs<Job>;
  /** Workers that were connected when this looked last. */
  workers = 0;
  private readonly heartbeat: NodeJS.Timeout;
  private readonly look: NodeJS.Timeout;
  private readonly unwatch: () => void;
  private readonly told = new Set<string>();
  private toldSilent = Number.NEGATIVE_INFINITY;

  private constructor(
    id: string,
    readonly redis: Redis,
    /** Waits for results, which blocks a connection. */
    readonly waiting: Redis,
    readonly queue: Queue<Job>,
    /** That of the queue, which does not close what it is given. */
    private readonly connection: Redis,
    private readonly setup: object,
    private readonly model: Buffer | undefined,
    readonly tell: (message: string) => void,
    url: string,
  ) {
    this.unwatch = watchRedis(url, redis, tell);
    this.id = id;
    this.keys = keysOf(id);
    this.jobs = new Jobs(queue, id);
    this.heartbeat = setInterval(() => this.beat(), (1000 * aliveSeconds) / 3);
    this.look = setInterval(() => void this.countWorkers(), lookMs);
  }

  /**
   * @param setup what workers of this kind need to know, without the version. @param model the file of the model.
   * @param tell is told what a person should know. @throws UserError where no Redis answers.
   */
  static async open<Job extends object>(
    url: string,
    kind: Kind,
    { setup, model }: { readonly setup: object; readonly model?: Buffer },
    tell: (message: string) => void,
  ): Promise<Coordinator<Job>> {
    const { Queue } = await queuePackages();
    const [redis, waiting, connection] = [
      await connectRedis(url),
      await connectRedis(url),
      await connectRedis(url),
    ];
    const queue = new Queue(queues[kind], { connection }) as Queue<Job>;
    queue.on('error', () => undefined);
    const id = randomBytes(8).toString('hex');
    const whole = { ...setup, version: programVersion() };
    const self = new Coordinator<Job>(id, redis, waiting, queue, connection, whole, model, tell, url);
    await self.countWorkers();
    return self;
  }

  /** Puts into Redis what workers need, with what belongs to the moment. @returns bytes sent. */
  async publish(...besides: readonly (readonly [key: string, bytes: Buffer])[]): Promise<number> {
    const { redis, keys, setup, model } = this;
    const all = [[keys.setup, Buffer.from(JSON.stringify(setup))] as const, ...besides];
    if (model) all.push([keys.model, model]);
    const batch = redis.multi().set(keys.alive, '1', 'EX', aliveSeconds);
    for (const [key, bytes] of all) batch.set(key, bytes, 'EX', keptSeconds);
    for (const [error] of (await batch.exec()) ?? []) if (error) throw error;
    return all.reduce((sum, [, bytes]) => sum + bytes.length, 0);
  }

  /** Whether Redis has lost what was published. */
  async isLost(...besides: readonly string[]): Promise<boolean> {
    const names = [this.keys.setup, ...besides];
    return (await this.redis.exists(...names)) < names.length;
  }

  /** Tells, once each, what workers say that cannot serve this run. */
  async tellRefusals(): Promise<void> {
    for (const message of (await this.redis.lpop(this.keys.refused, 100)) ?? []) {
      if (this.told.has(message) || this.told.size >= 100) continue;
      this.told.add(message);
      this.tell(`a worker refuses: ${message.slice(0, 2000)}`);
    }
  }

  /** Tells, once, that nobody works. */
  tellLonely(): void {
    if (this.workers > 0 || this.told.has('')) return;
    this.told.add('');
    this.tell('no worker is connected to the queue; start some with: vnet worker');
  }

  /** Tells, now and then, that what workers have got is handed out again. @param what has no answer. */
  tellSilent(what: string, ms: number): void {
    if (performance.now() - this.toldSilent < silenceMs) return;
    this.toldSilent = performance.now();
    this.tell(
      `no answer to ${what} for ${Math.round(ms / 1000)} s: a worker is slow, hangs or is gone; handing out again`,
    );
  }

  /** Ends, and takes back what nobody has begun. */
  async close(): Promise<void> {
    clearInterval(this.heartbeat);
    clearInterval(this.look);
    this.unwatch();
    // A Redis that is gone is not waited for.
    if (this.redis.status === 'ready') {
      const { setup, alive, done, refused, model, tries } = this.keys;
      await this.redis.del(alive, setup, done, refused, model, tries).catch(() => undefined);
      await this.jobs.withdraw();
      await this.queue.close().catch(() => undefined);
    }
    for (const redis of [this.redis, this.waiting, this.connection]) redis.disconnect();
  }

  private beat(): void {
    const { redis, keys } = this;
    redis.set(keys.alive, '1', 'EX', aliveSeconds).catch(() => undefined);
    // A run that takes days keeps what it has published.
    redis.expire(keys.setup, keptSeconds).catch(() => undefined);
    if (this.model) redis.expire(keys.model, keptSeconds).catch(() => undefined);
  }

  private async countWorkers(): Promise<void> {
    const ready = this.connection.status === 'ready';
    if (ready) this.workers = await this.queue.getWorkersCount().catch(() => this.workers);
  }
}
