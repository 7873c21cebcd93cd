import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Running } from '../../test/cli/vnet.js';
import { freePort } from '../../test/data/s3.js';
import { TestRedis } from '../../test/queue/redis.js';
import { until } from '../../test/queue/same.js';
import { assertTrainedAs, type Processes, program, readDeploy } from './processes.js';

const words = z.array(z.string());
const container = z.object({
  entrypoint: words.optional(),
  command: z.union([words, z.string().transform((text) => text.split(' '))]),
  volumes: words.default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.literal('service_healthy') })).optional(),
});
const health = z.object({ test: z.tuple([z.literal('CMD'), z.string()], z.string()) });
const composition = z.object({
  services: z.object({
    redis: container.extend({ healthcheck: health }),
    worker: container.extend({ healthcheck: health, stop_grace_period: z.string().regex(/^\d+s$/) }),
    coordinator: container,
  }),
});

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, in every text of the file. */
function substituted(value: unknown, env: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string')
    return value.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, how?: string, rest = '') => {
      if (how === '?' && !env[name]) throw new Error(`${name}: ${rest}`);
      return env[name] || rest;
    });
  if (Array.isArray(value)) return value.map((each) => substituted(each, env));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, substituted(each, env)]));
}

/** `docker compose up --scale worker=3`, with a training: the weights are those of one process. */
export async function byCompose(at: (...parts: string[]) => string, processes: Processes): Promise<string> {
  const recipe = '--accumulate 4 --batch 2 --epochs 3 --beta 1 --no-report';
  const env = {
    DATA: at('data'),
    RUNS: at('runs'),
    COMMAND: `train --data /data --out /runs/first ${recipe} --queue redis://redis:6379`,
  };
  assert.throws(() => substituted(parse(readDeploy('compose.yaml')), {}), /DATA: the folder of the data set/);
  const { services } = composition.parse(
    substituted(parse(readDeploy('compose.yaml'), { merge: true }), env),
  );
  const { redis, worker, coordinator } = services;
  assert.equal(redis.command[0], 'redis-server');
  const server = await TestRedis.start(redis.command.slice(1));
  try {
    const [, client, ...ping] = redis.healthcheck.test;
    const pong = () => spawnSync(client, ['-p', String(server.port), ...ping], { encoding: 'utf8' }).stdout;
    await until(() => pong() === 'PONG\n');
    /** What stands in the file, as it is reached from here. */
    const here = ({ volumes }: typeof coordinator, word: string, port = 0) =>
      volumes
        .map((volume) => volume.split(':'))
        .reduce(
          (result, [from, to]) => result.replace(new RegExp(`^${to}(?=/|$)`), from),
          word.replace('redis://redis:6379', server.url).replace(/\b8081\b/, String(port)),
        );
    const workers: Running[] = [];
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(worker.entrypoint, program);
      const port = await freePort();
      workers.push(processes.start(worker.command.map((word) => here(worker, word, port))));
      const [, node, ...check] = worker.healthcheck.test;
      const healthy = () =>
        spawnSync(
          node,
          check.map((word) => here(worker, word, port)),
        ).status === 0;
      assert.ok(!healthy());
      await until(healthy);
    }
    assert.deepEqual(coordinator.entrypoint, program);
    const training = processes.start(coordinator.command.map((word) => here(coordinator, word)));
    const { code, stderr } = await training.ended;
    assert.equal(code, 0, stderr);
    await processes.stop(workers, Number.parseInt(worker.stop_grace_period, 10));
    await assertTrainedAs(at('runs/first/last.safetensors'), at('data'), at('alone'), recipe);
    return 'compose: three workers healthy, trained to the bits of one process, stopped in time';
  } finally {
    await server.stop();
  }
}
