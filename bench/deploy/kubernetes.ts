import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { isFile } from '../../src/data/files.js';
import type { Running } from '../../test/cli/vnet.js';
import { vnet } from '../../test/cli/vnet.js';
import { freePort, TestS3 } from '../../test/data/s3.js';
import { TestRedis } from '../../test/queue/redis.js';
import { until } from '../../test/queue/same.js';
import { assertTrainedAs, bin, type Processes, program, readDeploy } from './processes.js';

const words = z.array(z.string());
const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.number() }) });
const container = z.object({ command: words.optional(), args: words });
const serving = container.extend({ livenessProbe: probe, readinessProbe: probe });
const workload = <Container extends typeof container>(contained: Container) =>
  z
    .object({
      spec: z.object({
        template: z.object({
          spec: z.object({
            terminationGracePeriodSeconds: z.number().default(30),
            containers: z.tuple([contained]),
          }),
        }),
      }),
    })
    .transform(({ spec }) => ({ ...spec.template.spec, container: spec.template.spec.containers[0] }));
const scaler = z.object({
  spec: z.object({
    minReplicaCount: z.number(),
    maxReplicaCount: z.number(),
    triggers: z.array(
      z.object({
        type: z.literal('redis'),
        metadata: z.object({ listName: z.string(), listLength: z.string() }),
      }),
    ),
  }),
});

/** The document of a kind in a manifest. */
const find = (name: string, kind: string): unknown =>
  parseAllDocuments(readDeploy(`kubernetes/${name}.yaml`))
    .map((document) => document.toJS() as unknown)
    .find((document) => z.object({ kind: z.literal(kind) }).safeParse(document).success);

/** `kubectl apply` of a batch and its workers, with the scaler's arithmetic by hand: labels are those of one process. */
export async function byKubernetes(
  at: (...parts: string[]) => string,
  processes: Processes,
): Promise<string> {
  const server = await TestRedis.start(workload(container).parse(find('redis', 'Deployment')).container.args);
  const store = await TestS3.start();
  const control = new Redis(server.url);
  try {
    await store.upload(at('data'), 'cityscapes');
    await store.upload(at('frames'), 'frames');
    const { spec } = scaler.parse(find('workers', 'ScaledObject'));
    /** As the scaler has it: of each list one worker for so many, the most of all. */
    const wanted = async () => {
      const lists = spec.triggers.map(async ({ metadata: { listName, listLength } }) =>
        Math.ceil((await control.llen(listName)) / Number(listLength)),
      );
      return Math.min(spec.maxReplicaCount, Math.max(spec.minReplicaCount, ...(await Promise.all(lists))));
    };
    const here = (word: string, port = 0) =>
      word.replace('redis://vnet-redis:6379', server.url).replace('0.0.0.0:8081', `127.0.0.1:${port}`);
    assert.equal(await wanted(), 0);
    const job = workload(container).parse(find('predict', 'Job')).container;
    assert.deepEqual(job.command, program);
    const predicting = processes.start(
      job.args.map((word) => here(word)),
      store.env,
    );
    const replicas = await until(wanted);
    const pod = workload(serving).parse(find('workers', 'Deployment'));
    const { command, args, livenessProbe, readinessProbe } = pod.container;
    assert.deepEqual(command, program);
    const workers: Running[] = [];
    for (let i = 0; i < replicas; i++) {
      const port = await freePort();
      workers.push(
        processes.start(
          args.map((word) => here(word, port)),
          store.env,
        ),
      );
      for (const { httpGet } of [livenessProbe, readinessProbe])
        await until(() =>
          fetch(`http://127.0.0.1:${port}${httpGet.path}`).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
    }
    const { code, stderr } = await predicting.ended;
    assert.equal(code, 0, stderr);
    assert.equal(await wanted(), 0);
    await processes.stop(workers, pod.terminationGracePeriodSeconds);
    // The same without a queue, into a folder.
    const local = job.args
      .filter((word) => !word.startsWith('--queue='))
      .map((word) => (word.startsWith('--out=') ? `--out=${at('labels')}` : word));
    const alone = await vnet([...local, '--device', 'wasm'], store.env);
    assert.equal(alone.code, 0, alone.stderr);
    const names = readdirSync(at('labels'));
    assert.equal(names.length, readdirSync(at('frames')).length);
    for (const name of names)
      assert.ok((await store.get(`labels/${name}`)).equals(readFileSync(at('labels', name))), name);
    return `kubernetes: no job, no worker wanted; a batch, ${replicas} wanted; ready, ${names.length} labels of one process, none wanted, stopped in time`;
  } finally {
    control.disconnect();
    store.stop();
    await server.stop();
  }
}

/** The Job of a training, whose first pod dies: the weights are those of one process. */
export async function trainByKubernetes(
  at: (...parts: string[]) => string,
  processes: Processes,
): Promise<string> {
  const server = await TestRedis.start();
  try {
    const { container: job } = workload(container).parse(find('train', 'Job'));
    const recipe = '--accumulate=4 --batch=2 --epochs=3 --beta=1 --no-report';
    const [shell, ...flags] = job.command!;
    const script = job.args[0]
      .replace(program.join(' '), `"${process.execPath}" "${bin}"`)
      .replace('redis://vnet-redis:6379', server.url)
      .replaceAll('/runs/', `${at('volume')}/`)
      .replace('s3://street/cityscapes', at('data'))
      .replace('--accumulate=8', recipe);
    mkdirSync(at('volume'));
    const pod = () => spawn(shell, [...flags, script], { stdio: ['ignore', 'ignore', 'pipe'] });
    const args = ['worker', '--queue', server.url, '--data', at('data')];
    const worker = processes.start(args);
    const first = pod();
    await until(() => isFile(at('volume/first/last.safetensors')));
    first.kill('SIGKILL');
    await once(first, 'exit');
    const second = pod();
    const [code] = await once(second, 'exit');
    assert.equal(code, 0);
    await processes.stop([worker], 60);
    await assertTrainedAs(at('volume/first/last.safetensors'), at('data'), at('one'), recipe);
    return 'kubernetes: a training whose first pod dies goes on to the bits of one process';
  } finally {
    await server.stop();
  }
}
