import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Times {
  /** Milliseconds; null where the machine's PyTorch cannot run it. */
  readonly latency: number | null;
  readonly throughput: number | null;
  readonly gpu: number | null;
  readonly step: number | null;
  /** Bytes that the training step allocates at most. */
  readonly memory: number;
}

/** What `torch_gpu.py` measured. */
export interface TorchResult {
  readonly version: string;
  readonly device: string;
  readonly eager: Times;
  readonly compiled: Times;
}

/** Runs the PyTorch side; `undefined` where python3 has no PyTorch with CUDA. */
export async function raceTorch(job: {
  batch: number;
  height: number;
  width: number;
  rounds: number;
  classes: number;
}): Promise<TorchResult | undefined> {
  // The scripts are sources: from build/bench/gpu they are two folders up, and the same path down again.
  const script = fileURLToPath(new URL('../../../bench/gpu/torch_gpu.py', import.meta.url));
  const child = spawn(process.env.PYTHON ?? 'python3', [script, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', resolve);
  });
  return code === 0 ? (JSON.parse(output) as TorchResult) : undefined;
}
