import { prologueText } from './convSource.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const normalizeImage: GpuKernel<'normalizeImage'> = {
  lower: ({ inputs, outputs, attrs }) => [
    perQuad(
      outputs.y.shape,
      { ...inputs, ...outputs },
      'y_sq(p, c, xhat_q(p, c));',
      prologueText(inputs, attrs),
    ),
  ],
};
