import type { Normalization } from '../ops/op.js';

type Three = [number, number, number];

/** How the published weights of a network expect their images. */
export interface ImportDefaults {
  readonly normalization: { readonly mean: Three; readonly std: Three };
  /** Order of the channels that the first layers were trained with. */
  readonly order: 'rgb' | 'bgr';
}

const imageNet: Normalization & ImportDefaults['normalization'] = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

const byNetwork: Readonly<Record<string, ImportDefaults>> = {
  // BGR bytes, `(v − mean)/std/255`, with the means and deviations of Cityscapes.
  espnet: {
    order: 'bgr',
    normalization: {
      mean: [73.15840149 / 255, 82.90893555 / 255, 72.3923111 / 255],
      std: [44.91483307, 46.15289307, 45.3192215],
    },
  },
  // `x/255`, and nothing else.
  erfnet: { order: 'rgb', normalization: { mean: [0, 0, 0], std: [1, 1, 1] } },
  enet: { order: 'rgb', normalization: { mean: [0, 0, 0], std: [1, 1, 1] } },
};

/** What the published code of a network does to its images; ImageNet's statistics on RGB where nothing is known. */
export const importDefaults = (network: string): ImportDefaults =>
  Object.hasOwn(byNetwork, network) ? byNetwork[network] : { order: 'rgb', normalization: imageNet };
