/** The files of deploy/ against the schemas of Compose and Kubernetes, and against the program that they start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { createProgram } from '../../src/cli/program.js';
import { queues } from '../../src/queue/contract.js';

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url));
const python = process.env.VNET_TEST_PYTHON ?? 'python3';
/** Whether Python has all of them; to import them takes seconds. */
const has = (...modules: string[]) =>
  spawnSync(python, [
    ...['-c', 'import sys, importlib.util as i\nfor name in sys.argv[1:]: assert i.find_spec(name)'],
    ...modules,
  ]).status === 0;

/** The documents of a YAML file. */
const documents = (file: string): Record<string, unknown>[] =>
  parseAllDocuments(readFileSync(path.join(deploy, file), 'utf8'), { merge: true }).map(
    (document) => document.toJS() as Record<string, unknown>,
  );

const manifests = ['redis', 'workers', 'predict', 'train'].map((name) => `kubernetes/${name}.yaml`);

test('Kubernetes: its own schemas', { skip: !has('kubernetes_validate') && 'no kubernetes-validate' }, () => {
  const script = `
import json, sys, kubernetes_validate
for document in json.loads(sys.stdin.read()):
    kubernetes_validate.validate(document, '1.31', strict=True)
    print(document['kind'])`;
  const own = manifests.flatMap(documents).filter(({ apiVersion }) => apiVersion !== 'keda.sh/v1alpha1');
  const { stdout, stderr, status } = spawnSync(python, ['-c', script], {
    encoding: 'utf8',
    input: JSON.stringify(own),
  });
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.trim().split('\n'), [
    'Deployment',
    'Service',
    'Deployment',
    'Job',
    'PersistentVolumeClaim',
    'Job',
  ]);
});

test('KEDA: its own schema', { skip: !has('cloudcoil.models.keda') && 'no cloudcoil-models-keda' }, () => {
  // Written out again, it has what it had: a field that the schema does not know would be missing.
  const script = `
import json, sys
from cloudcoil.models.keda.v1alpha1 import ScaledObject
document = json.loads(sys.stdin.read())
known = ScaledObject.model_validate(document, strict=True).model_dump(by_alias=True, exclude_unset=True, mode='json')
document['spec'].pop('triggers')
try:
    ScaledObject.model_validate(document, strict=True)
except ValueError:
    print(json.dumps(known['spec']))`;
  const [scaled] = documents('kubernetes/workers.yaml').filter(({ kind }) => kind === 'ScaledObject');
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], {
    encoding: 'utf8',
    input: JSON.stringify(scaled),
  });
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), scaled.spec);
});

test('Compose: its own schema', { skip: !has('yaml', 'compose_spec') && 'no compose-spec' }, () => {
  const script = `
import sys, yaml, compose_spec
compose_spec.ComposeSpecification.model_validate(yaml.safe_load(open(sys.argv[1])))`;
  const { status, stderr } = spawnSync(python, ['-c', script, path.join(deploy, 'compose.yaml')], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('every queue scales the workers', () => {
  const text = readFileSync(path.join(deploy, 'kubernetes/workers.yaml'), 'utf8');
  for (const queue of Object.values(queues)) assert.ok(text.includes(`'bull:${queue}:wait'`), queue);
});

/** What the program is given, once or, by a script of the shell, in each of its branches. */
function argumentsOf(command: string[] | string | undefined, args: readonly string[]): string[][] {
  if (command?.[0] !== 'sh') return [[...args]];
  const [, always, rest] = /^set -- \S+ \S+ ([^\n]*)\n(.*)/s.exec(args[0])!;
  return [...rest.matchAll(/exec "\$@" ([^;\n]*)/g)].map(([, more]) => `${always} ${more}`.split(' '));
}

test('commands of the containers are those of the program', async () => {
  interface Container {
    args?: string[];
    command?: string[] | string;
  }
  const containers = [
    ...manifests.flatMap(documents).flatMap((document) => {
      const { template } = (document.spec ?? {}) as { template?: { spec: { containers: Container[] } } };
      return template?.spec.containers.flatMap(({ command, args = [] }) => argumentsOf(command, args)) ?? [];
    }),
    ...documents('compose.yaml').flatMap(({ services }) =>
      Object.values(services as Record<string, Container>).map(({ command = [] }) =>
        // Of `${COMMAND:-train …}` what stands where nothing is given.
        typeof command === 'string' ? command.replace(/^\$\{COMMAND:-(.*)\}$/, '$1').split(' ') : command,
      ),
    ),
  ].filter(([first]) => first && !first.startsWith('-') && first !== 'redis-server');
  assert.deepEqual(containers.map(([command]) => command).sort(), [
    'predict',
    'train',
    'train',
    'train',
    'worker',
    'worker',
  ]);
  for (const [name, ...args] of containers) {
    const program = await createProgram([name]);
    const command = program.commands.find((each) => each.name() === name)!;
    command.action(() => undefined);
    await program.parseAsync([name, ...args], { from: 'user' });
    assert.ok(command.opts().queue, name);
  }
});
