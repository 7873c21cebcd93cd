/** Videos that are sent, and live streams that are watched, against frames that were segmented one by one. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import type { RgbImage } from '../../src/data/image.js';
import { decodeImage, readImage } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel } from '../../src/model/load.js';
import { loopedSource } from '../../src/stream/source.js';
import { clip, ffmpeg, noFfmpeg, probed } from '../stream/clips.js';
import { paint, serve, temporaryFolder } from './support.js';

const skip = noFfmpeg;
const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);
const count = 12;
/** Labels of each frame at its own size. */
const truth: Uint8Array[] = [];
const pictures: RgbImage[] = [];

before(async () => {
  if (skip) return;
  clip(at('clip.mkv'), '96x64', count / 25);
  // Cameras write their index last; a server on the web has it first.
  ffmpeg('-i', at('clip.mkv'), '-c', 'copy', at('last.mp4'));
  ffmpeg('-i', at('clip.mkv'), '-c', 'copy', '-movflags', '+faststart', at('first.mp4'));
  ffmpeg('-i', at('clip.mkv'), '-fps_mode', 'passthrough', at('frame-%02d.png'));
  const model = await loadModel('camvid');
  const predictor = new Predictor(model.network, model.weights, { backend: wasmBackend, threads: 1 });
  for (let i = 1; i <= count; i++) {
    pictures.push(await readImage(at(`frame-${String(i).padStart(2, '0')}.png`)));
    truth.push((await predictor.labels(pictures[i - 1])).data);
  }
  await predictor.dispose();
});

const send = (url: string, file: string, query = '', init: RequestInit = {}) =>
  fetch(`${url}/v1/segment/video?size=own${query}`, {
    method: 'POST',
    body: readFileSync(file) as Uint8Array<ArrayBuffer>,
    ...init,
  });

interface Line {
  frame: number;
  seconds: number;
  height: number;
  width: number;
  classes: { id: number; rle: { counts: string } }[];
  error?: string;
}
const lines = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

test('a video is answered frame by frame, wherever its index lies', { skip }, async () => {
  const { url } = await serve();
  for (const name of ['clip.mkv', 'first.mp4', 'last.mp4']) {
    const answer = await send(url, at(name));
    assert.equal(answer.status, 200, name);
    const frames = lines(await answer.text());
    assert.equal(frames.length, count, name);
    for (const [i, { frame, height, width, classes }] of frames.entries()) {
      assert.deepEqual([frame, height, width], [i, 64, 96]);
      const data = new Uint8Array(height * width).fill(255);
      for (const { id, rle } of classes) {
        paint(rle.counts, height, width).forEach((inside, p) => {
          if (inside) data[p] = id;
        });
      }
      assert.deepEqual(data, truth[i], `${name}, frame ${i}`);
    }
  }
  // Places are given back once the files are gone.
  let videos: string | undefined;
  for (let tries = 0; tries < 50 && videos !== '0'; tries++) {
    videos = /^vnet_videos (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
  }
  assert.equal(videos, '0');
});

test('labels without loss, an overlay that players show', { skip }, async () => {
  const { url } = await serve();
  const labels = await send(url, at('clip.mkv'), '', { headers: { accept: 'video/x-matroska' } });
  assert.equal(labels.headers.get('content-type'), 'video/x-matroska');
  writeFileSync(at('labels.mkv'), Buffer.from(await labels.arrayBuffer()));
  ffmpeg('-i', at('labels.mkv'), '-fps_mode', 'passthrough', '-pix_fmt', 'gray', at('labels-%02d.png'));
  for (const [i, data] of truth.entries()) {
    const name = at(`labels-${String(i + 1).padStart(2, '0')}.png`);
    assert.deepEqual((await readLabels(name)).data, data, name);
  }
  const overlay = await send(url, at('last.mp4'), '&output=overlay&every=3');
  writeFileSync(at('overlay.mp4'), Buffer.from(await overlay.arrayBuffer()));
  assert.deepEqual(
    probed(at('overlay.mp4'), 'stream=codec_name,width,height,nb_read_frames', '-select_streams', 'v:0'),
    [`h264,96,64,${count}`],
  );
});

test('what is no video, lies or is too large: a status and one line; no file or address is opened', {
  skip,
}, async () => {
  const { url } = await serve({ limits: { videoBytes: 100_000, pixels: 64 * 96, videos: 1 } });
  const secret = at('secret.txt');
  writeFileSync(secret, 'what nobody may read');
  writeFileSync(at('list.m3u8'), `#EXTM3U\n#EXTINF:1,\nfile://${at('clip.mkv')}\n#EXT-X-ENDLIST\n`);
  writeFileSync(at('list.txt'), `ffconcat version 1.0\nfile '${at('clip.mkv')}'\n`);
  writeFileSync(at('empty'), '');
  writeFileSync(at('noise'), Buffer.alloc(5000, 'no video at all, '));
  clip(at('large.mkv'), '128x96', 0.2);
  writeFileSync(at('long.mkv'), Buffer.alloc(100_001));
  for (const [name, status] of [
    ['list.m3u8', 422],
    ['list.txt', 422],
    ['empty', 400],
    ['noise', 422],
    ['large.mkv', 413],
    ['long.mkv', 413],
  ] as const) {
    const answer = await send(url, at(name));
    const text = await answer.text();
    assert.equal(answer.status, status, `${name}: ${text}`);
    assert.ok(!text.includes(folder), text);
    assert.doesNotMatch(text, /\n/);
  }
  assert.equal((await send(url, at('clip.mkv'))).status, 200, 'and goes on');
});

test('more videos than may be computed wait; who leaves frees the place', { skip }, async () => {
  const { url } = await serve({ limits: { videos: 1 } });
  const leave = new AbortController();
  clip(at('long.mp4'), '320x240', 60);
  const first = await send(url, at('long.mp4'), '', { signal: leave.signal });
  assert.equal(first.status, 200);
  const second = await send(url, at('clip.mkv'));
  assert.equal(second.status, 429);
  assert.ok(Number(second.headers.get('retry-after')) >= 1);
  await second.text();
  leave.abort();
  let status = 0;
  for (let tries = 0; tries < 100 && status !== 200; tries++) {
    const answer = await send(url, at('clip.mkv'));
    status = answer.status;
    await answer.text();
    if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(status, 200);
});

test('a live stream: motion JPEG of the newest frame, its numbers, a page, a token', { skip }, async () => {
  const source = loopedSource(at('clip.mkv'));
  const server = await serve({
    streams: [
      { name: 'yard', source },
      {
        name: 'gone',
        source: { name: 'tcp://127.0.0.1:9', kind: 'live', input: ['-i', 'tcp://127.0.0.1:9'] },
      },
    ],
    streamSize: 'own',
    token: 'secret',
  });
  const { url } = server;
  assert.equal((await fetch(`${url}/v1/streams/yard`)).status, 401);
  const entered = await fetch(`${url}/streams`, {
    method: 'POST',
    body: new URLSearchParams({ token: 'secret' }),
    redirect: 'manual',
  });
  assert.equal(entered.status, 303);
  const cookie = entered.headers.get('set-cookie')!.split(';')[0];
  assert.ok(!cookie.includes('secret'));
  // The cookie shows streams, nothing else.
  assert.equal((await fetch(`${url}/v1/models`, { headers: { cookie } })).status, 401);
  assert.match(await (await fetch(`${url}/streams`)).text(), /<img src="\/v1\/streams\/yard"/);
  const leave = new AbortController();
  const watched = await fetch(`${url}/v1/streams/yard`, { headers: { cookie }, signal: leave.signal });
  assert.equal(watched.headers.get('content-type'), 'multipart/x-mixed-replace; boundary=frame');
  let bytes = Buffer.alloc(0);
  const indices: number[] = [];
  const jpegs: Buffer[] = [];
  const reader = watched.body!.getReader();
  for (;;) {
    const { value: piece } = await reader.read();
    if (!piece) break;
    bytes = Buffer.concat([bytes, piece]);
    for (;;) {
      const head = /Content-Length: (\d+)\r\nX-Frame: (\d+)\r\nX-Latency-Ms: [\d.]+\r\n\r\n/.exec(
        bytes.toString('latin1'),
      );
      const start = head ? head.index + head[0].length : 0;
      if (!head || bytes.length < start + Number(head[1])) break;
      indices.push(Number(head[2]));
      jpegs.push(bytes.subarray(start, start + Number(head[1])));
      bytes = bytes.subarray(start + Number(head[1]));
    }
    // Longer than the clip: it plays again.
    if (jpegs.length > count + 3) break;
  }
  assert.ok(indices.every((index, i) => i === 0 || index > indices[i - 1]));
  const { width, height, data } = await decodeImage(jpegs[0], 'a frame');
  assert.deepEqual([width, height], [96, 64]);
  assert.ok(data.some((value) => value > 0));
  const auth = { headers: { authorization: 'Bearer secret' } };
  const { streams } = (await (await fetch(`${url}/v1/streams`, auth)).json()) as {
    streams: { name: string; running: boolean; frames: number }[];
  };
  assert.deepEqual(
    streams.map(({ name, running }) => [name, running]),
    [
      ['yard', true],
      ['gone', false],
    ],
  );
  assert.ok(streams[0].frames > count);
  const gone = await fetch(`${url}/v1/streams/gone`, auth);
  const problem = ((await gone.json()) as { error: string }).error;
  assert.equal(gone.status, 503, problem);
  assert.doesNotMatch(problem, /127\.0\.0\.1/);
  assert.equal((await fetch(`${url}/v1/streams/none`, auth)).status, 404);
  const told = await fetch(`${url}/v1/streams/yard?output=json`, auth);
  const { value } = await told.body!.getReader().read();
  const { shares } = JSON.parse(Buffer.from(value!).toString().split('\n')[0]) as {
    shares: Record<string, number>;
  };
  assert.ok(Math.abs(Object.values(shares).reduce((a, b) => a + b) - 1) < 1e-3);
  // Viewers do not hold up a stop.
  const start = performance.now();
  await server.stop();
  assert.ok(performance.now() - start < 20_000, 'a stop waits 60 s for what runs');
  leave.abort();
});
