import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.js';
import { serveHealth } from '../queue/health.js';
import { Roots } from '../queue/roots.js';
import type { Task } from '../queue/task.js';
import { gradientTask } from '../queue/work/gradients.js';
import { pictureTask } from '../queue/work/pictures.js';
import { sampleTask } from '../queue/work/samples.js';
import { QueueWorker } from '../queue/worker.js';
import pc from './colour.js';
import type { DeviceFlags } from './device.js';
import { deviceName, openBackend } from './device.js';
import { whole } from './options.js';

interface WorkerFlags extends DeviceFlags {
  readonly queue: string;
  readonly data?: string;
  readonly root?: readonly string[];
  readonly concurrency: number;
  readonly threads?: number;
  readonly workers?: number;
  readonly health?: { readonly host: string; readonly port: number };
}

export const workerCommand = (): Command =>
  new Command('worker')
    .summary('compute for trainings, evaluations and batches on other machines')
    .description(
      'Takes jobs of `vnet train`, `vnet eval` and `vnet predict` with --queue from Redis or Valkey. Any number of ' +
        'workers may join and leave at any time: results are those of one machine, bit for bit. SIGTERM or Ctrl-C ' +
        'ends after the jobs at hand; once more, at once.',
    )
    .requiredOption('--queue <url>', 'redis://host:6379, or rediss:// for TLS')
    .option(
      '--data <dir>',
      'serve trainings and evaluations on this data set: a shared or own folder, or s3://…',
    )
    .option(
      '--root <place...>',
      'serve predict: folders or s3:// addresses where pictures and results may lie',
    )
    .option('--concurrency <n>', 'jobs at a time', whole(1, 64), 1)
    .option(
      '--threads <n>',
      'threads a job; results do not depend on it (default: its share of the cores)',
      whole(1, 256),
    )
    .option('--workers <n>', 'threads that decode images (default: half the cores, at most 4)', whole(0, 64))
    .option(
      '--device <name>',
      'wasm | webgpu: serve predict and eval of the same --device (default: wasm)',
      deviceName,
    )
    .option('--gpu <name>', "a GPU by part of its name, see 'vnet devices'")
    .addOption(
      new Option(
        '--health <[host:]port>',
        'answer /livez and /readyz over HTTP (host by default: 127.0.0.1)',
      ).argParser(place),
    )
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet worker --queue redis://10.0.0.5:6379 --data /mnt/cityscapes\n' +
        '  vnet train --data /mnt/cityscapes --out runs/first --accumulate 8 --queue redis://10.0.0.5:6379\n' +
        '  vnet worker --queue redis://10.0.0.5:6379 --root s3://street\n' +
        '  vnet predict s3://street/frames --out s3://street/labels --queue redis://10.0.0.5:6379',
    )
    .action(run);

function place(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', port] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
  if (Number(port) >= 1 && Number(port) <= 65535) return { host, port: Number(port) };
  throw new InvalidArgumentError('Expected a port, or host:port such as 0.0.0.0:8081.');
}

async function run(flags: WorkerFlags): Promise<void> {
  const { queue, data, root, concurrency } = flags;
  const tasks: Task[] = [];
  if (data !== undefined) tasks.push(gradientTask(data) as Task, sampleTask(data) as Task);
  if (root !== undefined) tasks.push(pictureTask(await Roots.open(root)) as Task);
  if (tasks.length === 0)
    throw new UserError(
      'give --data to serve trainings and evaluations, --root to serve predict, or both',
      2,
    );
  const backend = await openBackend({ device: flags.device ?? 'wasm', gpu: flags.gpu });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      write('finishing the jobs at hand; once more to stop at once');
      stop.abort();
    });
  }
  const worker = await QueueWorker.open({
    url: queue,
    tasks,
    backend,
    concurrency,
    threads: flags.threads ?? Math.max(1, Math.floor(availableParallelism() / concurrency)),
    workers: flags.workers,
    onEvent(event) {
      if (event.type === 'notice') write(event.message);
      if (event.type === 'run') write(`run ${event.run}: ready for ${event.kind}`);
      if (event.type === 'done') write(pc.dim(`${event.what}: ${Math.round(event.ms)} ms`));
    },
  });
  const health = flags.health && (await serveHealth(flags.health, () => worker.state));
  write('waiting for jobs');
  try {
    await worker.run(stop.signal);
  } finally {
    health?.close();
    health?.closeAllConnections();
  }
}

const write = (line: string): void => void process.stderr.write(`${line}\n`);
