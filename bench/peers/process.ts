import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Answer, LoadCommand, RunCommand } from './protocol.js';

/** How a peer is started. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** A peer in a process of its own, that runs one command at a time. */
export class PeerProcess {
  private readonly lines: AsyncIterator<string>;
  private stderr = '';

  private constructor(private readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    child.stderr!.on('data', (text: Buffer) => {
      this.stderr = (this.stderr + text.toString()).slice(-2000);
    });
    child.on('error', () => {});
    child.stdin!.on('error', () => {});
  }

  /** Starts and loads a peer in an environment; the reason where it is not there or cannot do it. */
  static async start(
    { command, args }: Program,
    load: LoadCommand,
    env: NodeJS.ProcessEnv = process.env,
  ): Promise<{ peer: PeerProcess; version: string } | { reason: string }> {
    const peer = new PeerProcess(spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env }));
    try {
      return { peer, version: (await peer.ask(load)).version ?? '' };
    } catch (error) {
      peer.close();
      return { reason: (error as Error).message };
    }
  }

  /** @throws with the last line it complained in, where the process has ended. */
  async ask(command: LoadCommand | RunCommand): Promise<Answer> {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.lines.next();
    if (!done) return JSON.parse(value) as Answer;
    const complaint = this.stderr.split('\n').filter((line) => /error|cannot|no module/i.test(line));
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    const end = child.signalCode ? `ended by ${child.signalCode}` : `ended with exit code ${child.exitCode}`;
    throw new Error(complaint.at(-1)?.trim() ?? end);
  }

  close(): void {
    this.child.stdin!.end();
  }
}
