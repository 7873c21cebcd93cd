import type { ModelInfo } from '../model/format.js';

/**
 * How many times longer a picture's side may be than in training. CamVid's model, trained on 360×480, scores 57.7 % on
 * test images of that size, 58.7 % on the same resized to 1.2 and 1.5 times the side, 56.7 % at twice the side.
 */
const mostZoom = 1.5;

/**
 * The size at which a model should see a picture: `undefined` where its own will do. Objects in a much larger picture
 * are larger than any that the model has learnt; it is shown with the pixels of {@link mostZoom} times the side of the
 * training images, in its own proportions.
 */
export function fittingSize(
  { trained }: Pick<ModelInfo, 'trained'>,
  { height, width }: { readonly height: number; readonly width: number },
): [height: number, width: number] | undefined {
  if (!trained.image) return undefined;
  const most = trained.image[0] * trained.image[1] * mostZoom ** 2;
  const zoom = Math.sqrt(most / (height * width));
  if (zoom >= 1) return undefined;
  return [Math.max(32, Math.round(height * zoom)), Math.max(32, Math.round(width * zoom))];
}
