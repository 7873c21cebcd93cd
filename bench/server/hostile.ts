import net from 'node:net';
import { deflateSync } from 'node:zlib';
import type { Rng } from '../../src/data/rng.js';

/** What came back: the status, 0 where the connection was cut, and all that was said. */
interface Answer {
  readonly status: number;
  readonly text: string;
}

type Attack = (host: string, port: number, rng: Rng) => Promise<Answer>;

/** A PNG that promises `width × height` pixels in a few bytes. */
function bomb(width: number, height: number, rows: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.alloc(Math.min(2 ** 25, (3 * width + 1) * rows)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc(bytes: Buffer): number {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let k = 0; k < 8; k++) value = (value >>> 1) ^ (0xedb88320 & -(value & 1));
  }
  return ~value >>> 0;
}

/** Longest answer that is kept. */
const mostAnswer = 1 << 16;

/** Sends bytes as they are, the pieces with pauses between, and reads the answer. */
function raw(host: string, port: number, pieces: readonly (string | Buffer)[], pauseMs = 0): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = net.connect(port, host);
    let text = '';
    const finish = (): void => {
      socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text });
    };
    socket.setTimeout(8000, finish);
    socket.on('data', (data) => {
      text = (text + data.toString('latin1')).slice(0, mostAnswer);
      if (isWhole(text)) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    });
  });
}

/** Whether an answer has come to its end, as far as its length tells. */
function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0 || /^HTTP\/1\.1 100/.test(text)) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  if (length !== undefined) return text.length >= Math.min(mostAnswer, end + 4 + Number(length));
  return text.endsWith('\r\n0\r\n\r\n') || text.length >= mostAnswer;
}

const request = (
  method: string,
  path: string,
  headers: readonly string[],
  body: Buffer | string = '',
): Buffer =>
  Buffer.concat([
    Buffer.from(
      `${[`${method} ${path} HTTP/1.1`, 'Host: localhost', `Content-Length: ${Buffer.byteLength(body)}`, ...headers].join('\r\n')}\r\n\r\n`,
      'latin1',
    ),
    Buffer.from(body),
  ]);

const noise = (length: number, rng: Rng): Buffer => Buffer.from(Array.from({ length }, () => rng.int(256)));

/** Every kind of attack by name. */
export const attacks: Readonly<Record<string, Attack>> = {
  'picture bomb': (host, port, rng) => {
    const side = 2 ** (10 + rng.int(7));
    return raw(host, port, [request('POST', '/v1/segment', [], bomb(side, side, 1 + rng.int(64)))]);
  },
  'noise as a picture': (host, port, rng) =>
    raw(host, port, [request('POST', '/v1/segment', [], noise(1 + rng.int(5000), rng))]),
  'damaged picture': (host, port, rng) => {
    const png = bomb(64, 64, 64);
    for (let i = 0; i < 4; i++) png[rng.int(png.length)] = rng.int(256);
    return raw(host, port, [request('POST', '/v1/segment', ['Accept: application/json'], png)]);
  },
  'slow body': (host, port) =>
    raw(
      host,
      port,
      ['POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n', 'a', 'b', 'c'],
      100,
    ),
  'slow header': (host, port) => raw(host, port, ['POST /v1/segment HT', 'TP/1.1\r\nHo', 'st: local'], 100),
  'announced too much': (host, port) =>
    raw(host, port, ['POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n']),
  'length that is none': (host, port, rng) =>
    raw(host, port, [
      `POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${['-1', 'x', '1e9', '1, 2'][rng.int(4)]}\r\n\r\nabc`,
    ]),
  'wrong type': (host, port, rng) =>
    raw(host, port, [
      request(
        'POST',
        '/v1/segment',
        [`Content-Type: ${['text/html', 'application/json', '\x01', '*/*'][rng.int(4)]}`],
        '{"a": 1}',
      ),
    ]),
  'path trick': (host, port, rng) => {
    const tricks = [
      '/../../../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/v1/models/..%2f..%2fetc%2fpasswd',
      '/v2/models/%00/infer',
      '//etc/passwd',
      '/v1/segment?model=../../etc/passwd',
      '/assets/..\\..\\package.json',
      `/${'a/'.repeat(2000)}`,
    ];
    return raw(host, port, [
      request(rng.chance(0.5) ? 'GET' : 'POST', tricks[rng.int(tricks.length)], [], 'x'),
    ]);
  },
  'header flood': (host, port, rng) =>
    raw(host, port, [
      request(
        'GET',
        '/v1/models',
        Array.from({ length: 500 + rng.int(2000) }, (_, i) => `X-${i}: ${'y'.repeat(rng.int(50))}`),
      ),
    ]),
  'form with many parts': (host, port, rng) => {
    const part = '--b\r\nContent-Disposition: form-data; name="i"; filename="f"\r\n\r\n\r\n';
    const body = `${part.repeat(100 + rng.int(20_000))}--b--\r\n`;
    return raw(host, port, [
      request('POST', '/v1/segment/batch', ['Content-Type: multipart/form-data; boundary=b'], body),
    ]);
  },
  'form of noise': (host, port, rng) =>
    raw(host, port, [
      request('POST', '/v1/segment', ['Content-Type: multipart/form-data; boundary=b'], noise(2000, rng)),
    ]),
  'tensor that lies': (host, port, rng) => {
    const shape = [1, 2 ** rng.int(30), 2 ** rng.int(30), 3];
    const json = JSON.stringify({
      inputs: [{ name: 'images', datatype: 'UINT8', shape, parameters: { binary_data_size: rng.int(1e9) } }],
    });
    return raw(host, port, [
      request(
        'POST',
        '/v2/models/camvid/infer',
        [`Inference-Header-Content-Length: ${json.length}`],
        `${json}abc`,
      ),
    ]);
  },
  'deep JSON': (host, port, rng) => {
    const depth = 1000 + rng.int(200_000);
    return raw(host, port, [
      request('POST', '/v2/models/camvid/infer', [], `{"inputs":${'['.repeat(depth)}${']'.repeat(depth)}}`),
    ]);
  },
  'long query': (host, port, rng) =>
    raw(host, port, [request('POST', `/v1/segment?size=${'9'.repeat(rng.int(4000))}`, [], 'x')]),
  'client that leaves': async (host, port) => {
    const socket = net.connect(port, host);
    socket.on('error', () => undefined);
    socket.write(request('POST', '/v1/segment', [], bomb(512, 512, 512)).subarray(0, 300));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    return { status: 0, text: '' };
  },
};
