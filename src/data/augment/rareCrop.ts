import { ignoreId } from '../ignore.js';
import type { LabelImage } from '../image.js';
import type { Rng } from '../rng.js';

/**
 * A pixel of a class drawn evenly from the classes in the image, so that a sign is looked at as often as the road
 * (class-uniform sampling: Zhu et al. 2019, Improving Semantic Segmentation via Video Propagation and Label Relaxation,
 * §3.4, here within one image); undefined where every pixel is ignored.
 */
export function rarePixel({ data, width }: LabelImage, rng: Rng): { x: number; y: number } | undefined {
  const counts = new Uint32Array(256);
  for (const id of data) counts[id]++;
  counts[ignoreId] = 0;
  const present = [...counts.keys()].filter((id) => counts[id] > 0);
  const [u, v] = [rng.next(), rng.next()];
  if (present.length === 0) return undefined;
  const wanted = present[Math.floor(u * present.length)];
  let at = data.indexOf(wanted);
  for (let left = Math.floor(v * counts[wanted]); left > 0; left--) at = data.indexOf(wanted, at + 1);
  return { x: at % width, y: Math.floor(at / width) };
}

/**
 * Where a window of `target` pixels starts so that a place of the scaled image lies in its middle half, as far as the
 * image reaches. @param u uniform in [0, 1).
 */
export function offsetAround(place: number, scaled: number, target: number, u: number): number {
  const room = Math.round(scaled) - target;
  const start = Math.round(place - target * (0.25 + 0.5 * u));
  return room > 0 ? Math.min(Math.max(start, 0), room) : Math.round(room * u);
}
