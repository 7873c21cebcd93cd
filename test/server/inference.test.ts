import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { shippedModel } from '../../src/model/load.js';
import { predict } from '../../src/predict.js';
import type { RunningServer } from '../../src/server/index.js';
import { serve, street } from './support.js';

const { image } = await street(70, 90, 3);
const expected = (await predict(shippedModel, image, { device: wasmBackend, resize: 'own' })).data;
const shape = [1, image.height, image.width, 3];

const infer = (server: RunningServer, body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/v2/models/camvid/infer`, { method: 'POST', body, headers });

/** A request with binary tensors after its JSON. */
function binary(json: object, tensor: Uint8Array): [BodyInit, Record<string, string>] {
  const head = new TextEncoder().encode(JSON.stringify(json));
  const body = new Uint8Array(head.length + tensor.length);
  body.set(head);
  body.set(tensor, head.length);
  return [body, { 'inference-header-content-length': String(head.length) }];
}

const input = (bytes: number, of: readonly number[] = shape) => ({
  name: 'images',
  datatype: 'UINT8',
  shape: of,
  parameters: { binary_data_size: bytes },
});

test('tensors as JSON and as binary data, several images at a time', async () => {
  const server = await serve();
  const data = Array.from(image.data);
  const json = await infer(
    server,
    JSON.stringify({ id: 'mine', inputs: [{ name: 'images', datatype: 'UINT8', shape, data }] }),
  );
  assert.equal(json.status, 200);
  const answer = (await json.json()) as { id: string; outputs: { shape: number[]; data: number[] }[] };
  assert.equal(answer.id, 'mine');
  assert.deepEqual(answer.outputs[0].shape, [1, 70, 90]);
  assert.deepEqual(Uint8Array.from(answer.outputs[0].data), expected);

  const twice = new Uint8Array(2 * image.data.length);
  twice.set(image.data);
  twice.set(image.data, image.data.length);
  const response = await infer(
    server,
    ...binary(
      {
        inputs: [input(twice.length, [2, 70, 90, 3])],
        outputs: [{ name: 'labels', parameters: { binary_data: true } }],
      },
      twice,
    ),
  );
  assert.equal(response.status, 200);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const labels = bytes.subarray(Number(response.headers.get('inference-header-content-length')));
  assert.deepEqual(labels.subarray(0, expected.length), expected);
  assert.deepEqual(labels.subarray(expected.length), expected);
});

test('requests that do not hold together are answered with 4xx and what was expected', async () => {
  const server = await serve();
  const size = image.data.length;
  const cases: [string, number, Parameters<typeof infer> extends [RunningServer, ...infer R] ? R : never][] =
    [
      ['no JSON', 400, ['{"inputs": ']],
      ['no inputs', 400, ['{}']],
      ['a prototype', 400, ['{"inputs":[{"name":"__proto__","datatype":"UINT8","shape":[1,70,90,3]}]}']],
      ['too few bytes', 400, binary({ inputs: [input(size - 1)] }, image.data.subarray(1))],
      ['bytes of another count', 400, binary({ inputs: [input(size)] }, image.data.subarray(1))],
      ['four channels', 422, binary({ inputs: [input(size, [1, 70, 90, 4])] }, image.data)],
      ['negative sides', 400, binary({ inputs: [input(size, [1, -70, -90, 3])] }, image.data)],
      ['sides of another world', 413, binary({ inputs: [input(size, [1, 1e8, 1e8, 3])] }, image.data)],
      ['too many images', 413, binary({ inputs: [input(size, [1e6, 70, 90, 3])] }, image.data)],
      ['floats', 400, binary({ inputs: [{ ...input(size), datatype: 'FP32' }] }, image.data)],
      ['another output', 400, binary({ inputs: [input(size)], outputs: [{ name: 'logits' }] }, image.data)],
      ['a header beyond the body', 400, ['{}', { 'inference-header-content-length': '5000' }]],
      ['a header of no number', 400, ['{}', { 'inference-header-content-length': 'x' }]],
      [
        'numbers out of range',
        400,
        [JSON.stringify({ inputs: [{ ...input(0), parameters: {}, data: [256] }] })],
      ],
      ['a compressed body', 415, ['{}', { 'content-encoding': 'gzip' }]],
    ];
  for (const [name, status, [body, headers]] of cases) {
    const response = await infer(server, body, headers);
    const { error } = (await response.json()) as { error: string };
    assert.equal(response.status, status, `${name}: ${error}`);
    assert.ok(error.length > 10 && !error.includes('\n'), name);
  }
  assert.equal((await fetch(`${server.url}/v2/models/other/ready`)).status, 404);
});

const python = process.env.VNET_TEST_PYTHON ?? 'python3';
const hasClient = spawnSync(python, ['-c', 'import tritonclient.http, gevent']).status === 0;

test("NVIDIA Triton's own client", {
  skip: !hasClient && `no tritonclient for ${python}: pip install 'tritonclient[http]', VNET_TEST_PYTHON`,
}, async () => {
  const server = await serve();
  const script = fileURLToPath(new URL('../../../test/server/triton.py', import.meta.url));
  const { host } = new URL(server.url);
  const child = spawn(python, [script, host, '70', '90'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(image.data);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0);
  assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), expected);
});
