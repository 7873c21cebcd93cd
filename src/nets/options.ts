import { z } from 'zod';
import { imageNorm } from './normalization.js';

const three = z.tuple([z.number(), z.number(), z.number()]);

/** What every network's configuration has: the number of classes, and what the image is normalised with. */
export const commonOptions = {
  classes: z.int().min(2).max(255),
  /** Of RGB bytes, `(x/255 − mean)/std`. Default: the statistics of ImageNet; imported weights bring their own. */
  normalization: z
    .strictObject({ mean: three, std: three })
    .default({ mean: [...imageNorm.mean], std: [...imageNorm.std] }),
};
