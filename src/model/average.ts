import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../errors.js';
import type { ModelInfo, Tensors } from './format.js';

/** A model with the name that messages have for it. */
export interface NamedModel {
  readonly file: string;
  readonly info: ModelInfo;
  readonly weights: Tensors;
}

/**
 * The mean of the weights and running statistics of several models: of one training at several times (stochastic weight
 * averaging, Izmailov et al. 2018), or of several fine-tunings of one model ("Model soups", Wortsman et al. 2022). It is one model
 * and costs what one costs. Models that did not start from the same weights have nothing in common, and their mean is noise.
 * @throws UserError, one line: fewer than two models, or another network, classes or size.
 */
export function averageModels(models: readonly NamedModel[]): { info: ModelInfo; weights: Tensors } {
  const [first, ...others] = models;
  if (others.length === 0) throw new UserError('averaging needs two models or more', 2);
  for (const { file, info } of others) {
    if (!isDeepStrictEqual(info.network, first.info.network)) {
      throw new UserError(`${file}: is of another network than ${first.file}`);
    }
    if (!isDeepStrictEqual(info.classes.names, first.info.classes.names)) {
      throw new UserError(`${file}: has other classes than ${first.file}`);
    }
  }
  const weights = new Map(
    [...first.weights].map(([name, { shape, data }]) => {
      const sum = Float64Array.from(data);
      for (const { file, weights } of others) {
        const other = weights.get(name)?.data;
        if (other?.length !== sum.length)
          throw new UserError(`${file}: has no ${name} of ${sum.length} numbers`);
        for (let i = 0; i < sum.length; i++) sum[i] += other[i];
      }
      return [name, { shape, data: Float32Array.from(sum, (value) => value / models.length) }] as const;
    }),
  );
  // Scores were those of single models.
  const { miou: _, scored: __, ...trained } = first.info.trained;
  return { info: { ...first.info, trained }, weights };
}
