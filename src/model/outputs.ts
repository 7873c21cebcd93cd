import type { ClassTable } from '../data/classes.js';
import { ignoreId } from '../data/classes.js';
import { UserError } from '../errors.js';
import type { ModelInfo } from './format.js';

/**
 * What a model's outputs are among the classes of a data set: 256 entries, output → train id, or 255 for outputs that
 * stand for none of them (`ignored` in the model's metadata, such as the 20th of published Cityscapes models).
 * Classes are the same by name, in whatever order; where the names are others, by number.
 * @returns undefined where outputs are train ids already.
 * @throws UserError naming `data` where the numbers of classes differ.
 */
export function outputsFor(
  model: Pick<ModelInfo['classes'], 'names' | 'ignored'>,
  { names }: Pick<ClassTable, 'names'>,
  data: string,
): Uint8Array | undefined {
  const ignored = new Set(model.ignored);
  const counted = model.names.flatMap((name, output) => (ignored.has(output) ? [] : [{ name, output }]));
  if (counted.length !== names.length) {
    const more = ignored.size > 0 ? ` besides ${ignored.size} that it ignores` : '';
    throw new UserError(
      `${data}: has ${names.length} classes but the model has ${counted.length}${more}; use a model trained on this data set, or import it again and say which outputs are no class of it`,
    );
  }
  const byName = counted.every(({ name }) => names.includes(name));
  const outputs = new Uint8Array(256).fill(ignoreId);
  counted.forEach(({ name, output }, i) => {
    outputs[output] = byName ? names.indexOf(name) : i;
  });
  return model.names.every((_, output) => outputs[output] === output) ? undefined : outputs;
}
