import { createReadStream, createWriteStream, promises as fs, type WriteStream } from 'node:fs';
import path from 'node:path';
import { temporaryName, unwritable } from '../../data/files.js';
import type { LabelImage } from '../../data/image.js';
import { readLabels } from '../../data/label-image.js';
import { encodeRunLengths, runLengths } from '../../data/rle.js';
import type { Source } from '../../data/sources/source.js';
import type { ModelInfo } from '../../model/format.js';
import type { Writer } from './writer.js';

/**
 * Adds one COCO file to what another writer leaves: an annotation for each class of each picture, with compressed run
 * lengths. Pictures are written as they come; a picture that was done before is read back from its labels. Numbers of
 * pictures and annotations follow from the place in the whole batch, so that files of its parts can be put together.
 * @param inputs all of the batch, in order.
 */
export function withCoco(
  writer: Writer,
  file: string,
  inputs: readonly Source[],
  { classes }: ModelInfo,
): Writer {
  const places = new Map(inputs.map((input, i) => [input.file, i + 1]));
  const annotations = new Part(file);
  const images = new Part(file);
  const add = async (input: Source, { height, width, data }: LabelImage) => {
    const image_id = places.get(input.file)!;
    await images.add({
      id: image_id,
      file_name: `${input.name.replaceAll(path.sep, '/')}${path.extname(input.file)}`,
      height,
      width,
    });
    for (const [value, runs] of runLengths(data, height, width)) {
      if (value >= classes.names.length) continue;
      await annotations.add({
        id: 256 * image_id + value,
        image_id,
        category_id: value + 1,
        iscrowd: 0,
        area: runs.reduce((sum, run, i) => (i % 2 === 1 ? sum + run : sum), 0),
        bbox: boxOf(data, width, value),
        segmentation: { size: [height, width], counts: encodeRunLengths(runs) },
      });
    }
  };
  const abort = async () => {
    await Promise.all([annotations.abort(), images.abort(), writer.abort?.()]);
  };
  return {
    needsConfidence: writer.needsConfidence,
    async done(input) {
      const before = await writer.done?.(input);
      if (before) await add(input, await readLabels(before.labels));
      return before;
    },
    async add(input, result) {
      const written = await writer.add(input, result);
      await add(input, result.labels);
      return written;
    },
    async finish() {
      await writer.finish?.();
      const categories = classes.names.map((name, i) => ({ id: i + 1, name, supercategory: '' }));
      try {
        const whole = temporaryName(path.resolve(file));
        const out = createWriteStream(whole);
        await write(
          out,
          `{"info":{"description":"vnet-segmentation predict"},"categories":${JSON.stringify(categories)},\n"images":[`,
        );
        await images.copyTo(out);
        await write(out, '],\n"annotations":[');
        await annotations.copyTo(out);
        await write(out, ']}\n');
        await new Promise<void>((resolve, reject) => out.on('error', reject).end(resolve));
        await fs.rename(whole, file);
      } catch (error) {
        throw unwritable(file, error);
      }
    },
    abort,
  };
}

/** A list of JSON values that waits in a file of its own. */
class Part {
  private readonly name: string;
  private stream: WriteStream | undefined;
  private any = false;

  constructor(private readonly file: string) {
    this.name = temporaryName(path.resolve(file));
  }

  async add(value: object): Promise<void> {
    try {
      this.stream ??= createWriteStream(this.name);
      await write(this.stream, `${this.any ? ',\n' : '\n'}${JSON.stringify(value)}`);
    } catch (error) {
      throw unwritable(this.file, error);
    }
    this.any = true;
  }

  async copyTo(out: WriteStream): Promise<void> {
    if (!this.stream) return;
    await new Promise<void>((resolve, reject) => this.stream!.on('error', reject).end(resolve));
    for await (const piece of createReadStream(this.name)) await write(out, piece as Buffer);
    await this.abort();
  }

  async abort(): Promise<void> {
    this.stream?.destroy();
    await fs.rm(this.name, { force: true });
  }
}

const write = (stream: WriteStream, bytes: string | Buffer): Promise<void> =>
  new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));

/** Left, top, width and height of the pixels of a value. */
function boxOf(data: Uint8Array, width: number, value: number): [number, number, number, number] {
  let [left, top, right, bottom] = [width, Number.POSITIVE_INFINITY, -1, -1];
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== value) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x < left) left = x;
    if (x > right) right = x;
    if (top > y) top = y;
    bottom = y;
  }
  return [left, top, right - left + 1, bottom - top + 1];
}
