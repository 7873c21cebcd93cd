import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.js';

/** How a process is held to a share of one core. */
export interface Limiter {
  /** In words, for the heading of a table. */
  readonly name: string;
  /** Starts a command that gets at most `share` (0 to 1) of one core, all its threads together. */
  start(command: readonly string[], share: number): { child: ChildProcess; release(): void };
}

export const limits = ['auto', 'quota', 'pauses'] as const;
export type Limit = (typeof limits)[number];

/**
 * `auto`: the kernel's quota where this machine lets us set one, else pauses.
 * @throws UserError where the way asked for does not work here.
 */
export function limiter(limit: Limit): Limiter {
  const group = limit === 'pauses' ? undefined : controlGroup();
  if (group) return group;
  if (limit === 'quota') {
    throw new UserError(
      'no control group can be made here (needs Linux and the right to write /sys/fs/cgroup)',
    );
  }
  if (process.platform === 'win32')
    throw new UserError('Windows can neither limit nor pause a process by share');
  return dutyCycle;
}

/** Microseconds of the quota's period: short against a frame, so that frames are slowed evenly. */
const period = 20_000;

/** A control group of the process's own, where this machine lets us make one. */
function controlGroup(): Limiter | undefined {
  // Above its neighbours, so that the quota is what limits it.
  const versions = [
    {
      root: '/sys/fs/cgroup/cpu',
      files: (share: number) => [
        ['cpu.cfs_period_us', `${period}`],
        ['cpu.cfs_quota_us', `${Math.round(share * period)}`],
        ['cpu.shares', '262144'],
      ],
    },
    {
      root: '/sys/fs/cgroup',
      files: (share: number) => [
        ['cpu.max', `${Math.round(share * period)} ${period}`],
        ['cpu.weight', '10000'],
      ],
    },
  ] as const;
  for (const { root, files } of versions) {
    const group = join(root, `vnet-share-${process.pid}`);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    const able = files(1).every(([file]) => existsSync(join(group, file)));
    rmdirSync(group);
    if (!able) continue;
    return {
      name: `control group's quota, period ${period / 1000} ms`,
      start(command, share) {
        mkdirSync(group, { recursive: true });
        for (const [file, value] of files(share)) writeFileSync(join(group, file), value);
        // The shell joins the group and becomes the command.
        const enter = `echo $$ > ${join(group, 'cgroup.procs')} && exec "$@"`;
        const child = spawn('sh', ['-c', enter, 'sh', ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
        return { child, release: () => rmdirSync(group) };
      },
    };
  }
  return undefined;
}

/** Stops and continues the process by turns. Coarser than a quota; works everywhere that has signals. */
const dutyCycle: Limiter = {
  name: 'pauses, period 40 ms',
  start([command, ...args], share) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const milliseconds = 40;
    let timer: NodeJS.Timeout | undefined;
    const turn = (running: boolean): void => {
      child.kill(running ? 'SIGCONT' : 'SIGSTOP');
      timer = setTimeout(() => turn(!running), milliseconds * (running ? share : 1 - share));
    };
    if (share < 1) turn(true);
    return { child, release: () => clearTimeout(timer) };
  },
};
