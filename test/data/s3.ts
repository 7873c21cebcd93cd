import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { walkFiles } from '../../src/data/files.js';

const python = process.env.VNET_TEST_PYTHON ?? 'python3';
/** Whether moto, a server that speaks S3, is there. */
export const hasS3 =
  spawnSync(python, [
    '-c',
    // To import them takes seconds.
    'import importlib.util as i; assert i.find_spec("moto") and i.find_spec("flask")',
  ]).status === 0;

/** A port of this machine that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** An S3 server of this machine alone, with one bucket; what is in it is gone when it ends. */
export class TestS3 {
  static readonly bucket = 'street';

  private constructor(
    readonly endpoint: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(): Promise<TestS3> {
    const port = await freePort();
    const args = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];
    const child = spawn(python, args, { stdio: 'ignore' });
    const endpoint = `http://127.0.0.1:${port}`;
    for (let left = 300; ; left--) {
      const answers = await fetch(`${endpoint}/moto-api/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (answers) break;
      if (left === 0 || child.exitCode !== null) throw new Error('moto does not start');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const s3 = new TestS3(endpoint, child);
    await s3.request('PUT', '');
    return s3;
  }

  /** What a process needs to know. */
  get env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-east-1',
    };
  }

  /** Past the client that is tested: plain HTTP, which moto takes without a signature. */
  async request(method: string, key: string, body?: Uint8Array<ArrayBuffer>): Promise<Response> {
    return fetch(`${this.endpoint}/${TestS3.bucket}/${key}`, {
      method,
      body,
      headers: {
        authorization:
          'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
      },
    });
  }

  async get(key: string): Promise<Buffer> {
    const reply = await this.request('GET', key);
    if (!reply.ok) throw new Error(`${key}: ${reply.status}`);
    return Buffer.from(await reply.arrayBuffer());
  }

  /** Copies a folder to below a key. */
  async upload(folder: string, key: string): Promise<void> {
    for (const file of walkFiles(folder)) {
      const bytes = new Uint8Array(await fs.readFile(path.join(folder, file)));
      await this.put(`${key}/${file}`, bytes);
    }
  }

  async put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const reply = await this.request('PUT', key, bytes);
    if (!reply.ok) throw new Error(`${key}: ${reply.status}`);
  }

  /** From now on (or no longer) keys and rights are checked: the test's own key is none that the server knows. */
  async lock(locked: boolean): Promise<void> {
    const body = locked ? '0' : 'inf';
    await fetch(`${this.endpoint}/moto-api/reset-auth`, { method: 'POST', body });
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}
