import { Argument, Command } from 'commander';
import { connectRedis, queuePackages, shownUrl } from '../queue/connection.js';
import { kinds, queues } from '../queue/contract.js';
import { formatTable } from './table.js';

const actions = ['status', 'retry', 'drain'] as const;
type Action = (typeof actions)[number];

/** What jobs are, for people. */
const titles = { gradients: 'train', pictures: 'predict', samples: 'eval' } as const;

export const queueCommand = (): Command =>
  new Command('queue')
    .summary('what waits for workers on other machines')
    .description(
      'status: jobs that wait, run and failed, and workers that are connected. retry: failed jobs wait again. drain: ' +
        'takes away what waits and what failed; a command that still runs hands its jobs out again.',
    )
    .addArgument(new Argument('<action>').choices(actions))
    .requiredOption('--queue <url>', 'redis://host:6379, or rediss:// for TLS')
    .option('--json', 'print the result as JSON on stdout')
    .addHelpText('after', '\nExample:\n  vnet queue status --queue redis://127.0.0.1:6379')
    .action(run);

async function run(action: Action, flags: { queue: string; json?: boolean }): Promise<void> {
  const { Queue } = await queuePackages();
  const connection = await connectRedis(flags.queue);
  const rows: { jobs: string; waiting: number; active: number; failed: number; workers: number }[] = [];
  try {
    for (const kind of kinds) {
      const queue = new Queue(queues[kind], { connection });
      queue.on('error', () => undefined);
      const { waiting, delayed, active, failed } = await queue.getJobCounts(
        ...(['waiting', 'delayed', 'active', 'failed'] as const),
      );
      if (action === 'retry') await queue.retryJobs({ state: 'failed' });
      if (action === 'drain') {
        await queue.drain(true);
        await queue.clean(0, 0, 'failed');
      }
      const workers = await queue.getWorkersCount();
      rows.push({ jobs: titles[kind], waiting: waiting + delayed, active, failed, workers });
      await queue.close().catch(() => undefined);
    }
  } finally {
    connection.disconnect();
  }
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ action, queues: rows })}\n`);
    return;
  }
  const sum = (of: 'waiting' | 'failed') => rows.reduce((total, row) => total + row[of], 0);
  if (action === 'retry') process.stdout.write(`${sum('failed')} failed jobs wait again\n`);
  else if (action === 'drain')
    process.stdout.write(`${sum('waiting')} waiting and ${sum('failed')} failed jobs taken away\n`);
  else {
    const table = formatTable(
      [
        { title: 'jobs of' },
        ...['waiting', 'running', 'failed', 'workers'].map((title) => ({ title, align: 'right' }) as const),
      ],
      rows.map(({ jobs, waiting, active, failed, workers }) => [
        `vnet ${jobs}`,
        ...[waiting, active, failed, workers].map(String),
      ]),
    );
    process.stdout.write(`${shownUrl(flags.queue)}\n${table}\n`);
  }
}
