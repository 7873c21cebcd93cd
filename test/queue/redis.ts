import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';

/** That of `VNET_TEST_REDIS`, or Debian's redis-server or valkey-server; undefined where none is installed. */
export const redisProgram = [process.env.VNET_TEST_REDIS ?? 'redis-server', 'valkey-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A Redis of this machine alone, which keeps nothing on the disk. */
export class TestRedis {
  private constructor(
    readonly port: number,
    private readonly args: readonly string[],
    private child: ChildProcess,
  ) {}

  static async start(extra: readonly string[] = []): Promise<TestRedis> {
    const port = await freePort();
    const dir = mkdtempSync(path.join(tmpdir(), 'vnet-redis-'));
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir, ...extra];
    return new TestRedis(port, args, await TestRedis.launch(args));
  }

  /** One that speaks TLS too. */
  static async startTls(
    { key, cert }: { readonly key: string; readonly cert: string },
    extra: readonly string[] = [],
  ): Promise<TestRedis & { readonly tlsUrl: string }> {
    const port = await freePort();
    const tls = ['--tls-port', String(port), '--tls-key-file', key, '--tls-cert-file', cert];
    const redis = await TestRedis.start([...tls, '--tls-auth-clients', 'no', ...extra]);
    return Object.assign(redis, { tlsUrl: `rediss://localhost:${port}` });
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** By its own count, since it began: bytes and commands that went through it, its processor time, the most it held. */
  async usage(): Promise<{ bytes: number; commands: number; cpuMs: number; peak: number }> {
    const client = new Redis(this.url);
    const text = await client.info();
    client.disconnect();
    const of = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1]);
    return {
      bytes: of('total_net_input_bytes') + of('total_net_output_bytes'),
      commands: of('total_commands_processed'),
      cpuMs: 1000 * (of('used_cpu_user') + of('used_cpu_sys')),
      peak: of('used_memory_peak'),
    };
  }

  /** Ends it at once, without a word to its clients, and starts an empty one in its place. */
  async restart(): Promise<void> {
    await this.stop();
    this.child = await TestRedis.launch(this.args);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.child.once('exit', () => resolve());
      this.child.kill('SIGKILL');
    });
  }

  private static launch(args: readonly string[]): Promise<ChildProcess> {
    const child = spawn(redisProgram!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`redis ended with ${code}`)));
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('Ready to accept connections')) resolve(child);
      });
    });
  }
}
