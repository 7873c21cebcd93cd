import path from 'node:path';
import { exists, writeAtomic } from '../../data/files.js';
import type { Source } from '../../data/sources/source.js';
import { UserError } from '../../errors.js';
import type { Model } from '../../model/model.js';
import type { OutputKind } from './kind.js';
import { markOf, outputMark, readMark } from './mark.js';
import type { Writer } from './writer.js';

export interface FileOptions {
  /** Folder of the results. */
  readonly out: string;
  readonly kinds: readonly OutputKind[];
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
 * A few files an image, one of each kind. Each carries a mark of the image, the model and the options it was made with:
 * where all are there with the same mark, the image is done.
 * @param inputs all of the batch, those of other machines too: names must differ among them.
 * @throws UserError, before anything is written, where an output would replace an input or another output.
 */
export function fileWriter(inputs: readonly Source[], { info }: Model, options: FileOptions): Writer {
  const { out, kinds, alpha, legend, overwrite, recipe } = options;
  const outputs = outputFiles(out, inputs, kinds);
  return {
    needsConfidence: kinds.some(({ needsConfidence }) => needsConfidence),
    async done(input) {
      if (overwrite) return undefined;
      const files = outputs.get(input.file)!;
      const found = await Promise.all(Object.values(files).map(readMark));
      for (const [i, file] of Object.values(files).entries()) {
        if (found[i]?.startsWith(outputMark) || !(await exists(file))) continue;
        throw new UserError(
          `${file}: is there and was not written by vnet predict; \`overwrite: true\` replaces it`,
        );
      }
      const mark = markOf(input, recipe);
      return found.every((text) => text === mark) ? files : undefined;
    },
    async add(input, result) {
      const files = outputs.get(input.file)!;
      const mark = markOf(input, recipe);
      const shown = { ...result, input, info, alpha, legend };
      const write = async (kind: OutputKind) => {
        const file = files[kind.name];
        await writeAtomic(file, await kind.encode(shown, file, mark));
      };
      // The small ones together, then the large one: as fast on two cores, and less memory at a time.
      await Promise.all(kinds.slice(0, -1).map(write));
      await write(kinds[kinds.length - 1]);
      return files;
    },
  };
}

/** The name of each input's results, by its file. Names that two inputs share get its ending: `photo_jpg`, `photo_png`. */
export function resultNames(inputs: readonly Source[]): Map<string, string> {
  const counts = new Map<string, number>();
  for (const { name } of inputs) counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Map(
    inputs.map(({ file, name }) => [
      file,
      counts.get(name)! > 1 ? name + path.extname(file).replace('.', '_') : name,
    ]),
  );
}

/** Output files per input. */
function outputFiles(
  out: string,
  inputs: readonly Source[],
  kinds: readonly OutputKind[],
): Map<string, Record<string, string>> {
  const inputFiles = new Set(inputs.filter(({ plain }) => plain).map(({ file }) => path.resolve(file)));
  const names = resultNames(inputs);
  const taken = new Map<string, string>();
  const outputs = new Map<string, Record<string, string>>();
  for (const { file } of inputs) {
    if (outputs.has(file)) continue;
    const files = Object.fromEntries(
      kinds.map((kind) => [kind.name, path.join(out, `${names.get(file)}_${kind.ending}`)]),
    );
    for (const target of Object.values(files)) {
      if (inputFiles.has(path.resolve(target))) {
        throw new UserError(`${target}: is an input and would be overwritten; choose another \`out\``);
      }
      const other = taken.get(target);
      if (other) {
        throw new UserError(
          `${file}: has the same name as ${other}; predict them into different \`out\` folders`,
        );
      }
      taken.set(target, file);
    }
    outputs.set(file, files);
  }
  return outputs;
}
