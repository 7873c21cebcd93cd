import { Command } from 'commander';
import pc from 'picocolors';
import { UserError } from '../errors.js';
import { GradientWorker } from '../queue/worker.js';
import { openBackend } from './device.js';
import { threadsOption, whole } from './options.js';

interface WorkerFlags {
  readonly queue: string;
  readonly data: string;
  readonly threads: number;
  readonly workers?: number;
}

export const workerCommand = (): Command =>
  new Command('worker')
    .summary('compute for trainings on other machines')
    .description(
      'Takes batches of `vnet train … --queue` from Redis or Valkey and answers with their gradients. Any number of ' +
        'workers may join and leave at any time: the weights are those of one machine, bit for bit. SIGTERM or Ctrl-C ' +
        'ends after the batch at hand.',
    )
    .requiredOption('--queue <url>', 'redis://host:6379, or rediss:// for TLS')
    .requiredOption('--data <dir>', 'the data set, here or on a shared disk; must be that of the training')
    .addOption(threadsOption())
    .option('--workers <n>', 'threads that decode images (default: half the cores, at most 4)', whole(0, 64))
    .addHelpText(
      'after',
      '\nExample:\n  vnet worker --queue redis://10.0.0.5:6379 --data /mnt/cityscapes\n' +
        '  vnet train --data /mnt/cityscapes --out runs/first --accumulate 8 --queue redis://10.0.0.5:6379',
    )
    .action(run);

async function run(flags: WorkerFlags): Promise<void> {
  const backend = await openBackend({ device: 'wasm' });
  if (backend.name !== 'wasm') throw new UserError('a queue trains on CPU cores', 2);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const write = (line: string) => process.stderr.write(`${line}\n`);
  const worker = await GradientWorker.open({
    url: flags.queue,
    data: flags.data,
    backend,
    threads: flags.threads,
    workers: flags.workers,
    onEvent(event) {
      if (event.type === 'notice') write(event.message);
      if (event.type === 'run') write(`run ${event.run}: ready, ${event.parameters} parameters`);
      if (event.type === 'batch')
        write(pc.dim(`step ${event.step + 1}, batch ${event.batch + 1}: ${Math.round(event.ms)} ms`));
    },
  });
  write('waiting for batches');
  await worker.run(stop.signal);
}
