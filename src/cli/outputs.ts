import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Rgb } from '../data/classes.js';
import { writeAtomic } from '../data/files.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { colourise, encodeLabelPng, encodeRgbPng, overlay } from '../data/image.js';
import { cityscapesClasses } from '../data/layouts/cityscapes.js';
import { readPngText, withPngText } from '../data/png-text.js';
import { SubmissionZip, submissionName } from '../data/submission.js';
import { UserError } from '../errors.js';
import type { Model } from '../model/model.js';
import { outputsFor } from '../model/outputs.js';
import { withLegend } from '../report/legend.js';
import type { Input } from './inputs.js';
import { outputKinds, outputMark } from './inputs.js';

/** Where predictions go. */
export interface Writer {
  /** What was written of an image before, where it need not be done again. */
  done?(input: Input): Promise<object | undefined>;
  /** @returns what was written, for `--json`. */
  add(input: Input, image: RgbImage, labels: LabelImage): Promise<object>;
  finish?(): Promise<unknown>;
  abort?(): Promise<void>;
}

type Outputs = Record<(typeof outputKinds)[number], string>;

export interface PngOptions {
  /** Folder of the results. */
  readonly out: string;
  /** Strength of the colours in the overlay. */
  readonly alpha: number;
  /** Draw the classes' names below the overlay. */
  readonly legend: boolean;
  /** Replace what is there, whoever wrote it. */
  readonly overwrite: boolean;
  /** What decides the result besides the image: the model and how it is shown; part of the mark in each file. */
  readonly recipe: string;
}

/**
 * Three PNGs an image. Each carries a mark of the image, the model and the options it was made with: where all three
 * are there with the same mark, the image is done.
 * @throws UserError, before anything is written, where an output would replace an input or another output.
 */
export function pngWriter(inputs: readonly Input[], { info }: Model, options: PngOptions): Writer {
  const { out, alpha, overwrite, recipe } = options;
  const outputs = outputFiles(out, inputs);
  const colours = info.classes.colours as Rgb[];
  const markOf = ({ file }: Input): string => {
    const { size, mtimeMs } = statSync(file);
    const hash = createHash('sha256').update(JSON.stringify([recipe, size, mtimeMs]));
    return `${outputMark} ${hash.digest('hex').slice(0, 16)}`;
  };
  return {
    async done(input) {
      if (overwrite) return undefined;
      const files = outputs.get(input.file)!;
      const found = await Promise.all(Object.values(files).map((file) => readPngText(file, 'Software')));
      for (const [i, file] of Object.values(files).entries()) {
        if (found[i]?.startsWith(outputMark) || !existsSync(file)) continue;
        throw new UserError(`${file}: is there and was not written by vnet predict; --overwrite replaces it`);
      }
      const mark = markOf(input);
      return found.every((text) => text === mark) ? files : undefined;
    },
    async add(input, image, labels) {
      const files = outputs.get(input.file)!;
      const mark = markOf(input);
      const write = async (file: string, png: Promise<Uint8Array>) =>
        writeAtomic(file, withPngText(await png, 'Software', mark));
      // The two small ones together, then the large one: as fast on two cores, and less memory at a time.
      await Promise.all([
        write(files.labels, encodeLabelPng(labels)),
        write(files.colour, encodeRgbPng(colourise(labels, colours))),
      ]);
      const blended = overlay(image, labels, colours, alpha);
      const shown = options.legend ? await withLegend(blended, labels, info.classes) : blended;
      await write(files.overlay, encodeRgbPng(shown));
      return files;
    },
  };
}

/** Output files per input file. Names that two inputs share get the input's ending: `photo.jpg`, `photo.png`. */
function outputFiles(out: string, inputs: readonly Input[]): Map<string, Outputs> {
  const inputFiles = new Set(inputs.map(({ file }) => path.resolve(file)));
  const counts = new Map<string, number>();
  for (const { name } of inputs) counts.set(name, (counts.get(name) ?? 0) + 1);
  const taken = new Map<string, string>();
  const outputs = new Map<string, Outputs>();
  for (const { file, name } of inputs) {
    if (outputs.has(file)) continue;
    const unique = counts.get(name)! > 1 ? name + path.extname(file).replace('.', '_') : name;
    const files = Object.fromEntries(
      outputKinds.map((kind) => [kind, path.join(out, `${unique}_${kind}.png`)]),
    ) as Outputs;
    for (const target of Object.values(files)) {
      if (inputFiles.has(path.resolve(target))) {
        throw new UserError(`${target}: is an input and would be overwritten; choose another --out`);
      }
      const other = taken.get(target);
      if (other) {
        throw new UserError(
          `${file}: has the same name as ${other}; predict them into different --out folders`,
        );
      }
      taken.set(target, file);
    }
    outputs.set(file, files);
  }
  return outputs;
}

/** One zip of all images under their official names. Names and classes are checked before anything runs. */
export function submissionWriter(file: string, inputs: readonly Input[], { info }: Model): Writer {
  const { names, ignored = [] } = info.classes;
  const counted = names.filter((_, output) => !ignored.includes(output));
  if (counted.join() !== cityscapesClasses.names.join()) {
    throw new UserError(
      `--submission ${file}: the model has ${info.classes.names.length} ${info.classes.name} classes, the server scores the ${cityscapesClasses.names.length} of Cityscapes; use a model trained on Cityscapes`,
    );
  }
  const id = ({ name }: Input): string => path.basename(name).replace(/_leftImg8bit$/, '');
  for (const input of inputs) submissionName(id(input));
  const outputs = outputsFor(info.classes, cityscapesClasses, 'Cityscapes');
  const zip = new SubmissionZip(file);
  return {
    async add(input, _image, labels) {
      const data = outputs ? labels.data.map((output) => outputs[output]) : labels.data;
      await zip.add(id(input), { ...labels, data });
      return { entry: submissionName(id(input)) };
    },
    finish: () => zip.finish(),
    abort: () => zip.abort(),
  };
}
