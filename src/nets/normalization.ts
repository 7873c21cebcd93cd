/** Normalisation of RGB bytes inside the first convolution: `(x/255 − mean)/std`, statistics of ImageNet. */
export const imageNorm = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;
