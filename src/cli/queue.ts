import { Command } from 'commander';
import { UserError } from '../errors.js';
import { connectRedis, queuePackages, shownUrl } from '../queue/connection.js';
import { gradientQueue } from '../queue/contract.js';

const actions = ['status', 'drain'] as const;
type Action = (typeof actions)[number];

export const queueCommand = (): Command =>
  new Command('queue')
    .summary('what waits for workers on other machines')
    .description(
      'status: batches that wait, run and failed, and workers that are connected. drain: takes away what waits; a ' +
        'training that still runs hands its batches out again.',
    )
    .argument('<action>', actions.join(' | '))
    .requiredOption('--queue <url>', 'redis://host:6379, or rediss:// for TLS')
    .option('--json', 'print the result as JSON on stdout')
    .addHelpText('after', '\nExample:\n  vnet queue status --queue redis://127.0.0.1:6379')
    .action(run);

async function run(action: string, flags: { queue: string; json?: boolean }): Promise<void> {
  if (!actions.includes(action as Action))
    throw new UserError(`vnet queue ${action}: expected ${actions.join(' or ')}`, 2);
  const { Queue } = await queuePackages();
  const connection = await connectRedis(flags.queue);
  const queue = new Queue(gradientQueue, { connection });
  queue.on('error', () => undefined);
  try {
    const before = await queue.getJobCounts('waiting', 'delayed', 'active', 'failed');
    if (action === 'drain') await queue.drain(true);
    const workers = await queue.getWorkersCount();
    const waiting = before.waiting + before.delayed;
    if (flags.json) {
      process.stdout.write(
        `${JSON.stringify({ action, waiting, active: before.active, failed: before.failed, workers })}\n`,
      );
      return;
    }
    process.stdout.write(
      action === 'drain'
        ? `${waiting} batches taken away\n`
        : `${shownUrl(flags.queue)}: ${waiting} batches wait, ${before.active} run, ${before.failed} failed; ${workers} workers\n`,
    );
  } finally {
    await queue.close().catch(() => undefined);
    connection.disconnect();
  }
}
