import { createInterface } from 'node:readline';

/** What is raced: image bytes to label bytes, image bytes to logits of the head, or a whole training step. */
export type Mode = 'infer' | 'logits' | 'train';

/** A program that holds a network and runs it when told to; tensors come and go in raw files. */
export interface LoadCommand {
  readonly cmd: 'load';
  readonly mode: Mode;
  /** Name and configuration of the network, for programs that build it themselves. */
  readonly network: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Safetensors. */
  readonly weights: string;
  /** The same network and weights, image bytes to labels (or to logits, as `mode` says). */
  readonly onnx: string;
  readonly shape: readonly [batch: number, height: number, width: number];
  readonly threads: number;
}

export interface RunCommand {
  readonly cmd: 'run';
  /** u8 `N×H×W×3`. */
  readonly images: string;
  /** u8 `N×H×W`, for training. */
  readonly labels: string;
  /** Where inference writes its labels; not timed. */
  readonly predicted?: string;
}

export interface Answer {
  /** Of one run, without files and messages. */
  readonly ms?: number;
  /** Processor time of the same, all threads together; other work on the machine disturbs it less. */
  readonly cpuMs?: number;
  readonly loss?: number;
  readonly version?: string;
  readonly peakRssBytes: number;
}

/** What a peer written for Node implements. */
export interface Peer {
  load(command: LoadCommand): Promise<{ readonly version: string }>;
  run(command: RunCommand): Promise<{ readonly ms: number; readonly loss?: number }>;
}

/** Answers commands, one JSON object a line, until standard input ends. */
export async function serve(peer: Peer): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as LoadCommand | RunCommand;
    const before = process.cpuUsage();
    const answer = command.cmd === 'load' ? await peer.load(command) : await peer.run(command);
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    const peakRssBytes = 1024 * process.resourceUsage().maxRSS;
    process.stdout.write(`${JSON.stringify({ ...answer, cpuMs, peakRssBytes })}\n`);
  }
  process.exit(0);
}
