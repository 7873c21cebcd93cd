import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What `torch_vnet.py` answers to a command. */
export interface TorchAnswer {
  readonly ms: number;
  readonly loss?: number;
  readonly parameters?: number;
  readonly version?: string;
  readonly peakRssBytes: number;
}

/** A PyTorch process that holds the same network and runs one command at a time. */
export class TorchPeer {
  private readonly lines: AsyncIterator<string>;
  version = '';

  private constructor(private readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts `python` (default: the environment's PYTHON, else python3); undefined where it has no PyTorch. */
  static async start(
    weights: string,
    config: object,
    threads: number,
    python = process.env.PYTHON ?? 'python3',
  ): Promise<TorchPeer | undefined> {
    const child = spawn(python, ['bench/peers/torch_vnet.py'], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.on('error', () => {});
    child.stdin!.on('error', () => {});
    const peer = new TorchPeer(child);
    try {
      peer.version = (await peer.ask({ cmd: 'load', weights, config, threads })).version ?? '';
      return peer;
    } catch {
      return undefined;
    }
  }

  async ask(command: object): Promise<TorchAnswer> {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the PyTorch process ended');
    return JSON.parse(value) as TorchAnswer;
  }

  close(): void {
    this.child.stdin!.end();
  }
}
