import { throughJpeg } from '#jpeg';
import type { RgbImage } from '../image.js';
import { Rng } from '../rng.js';
import type { Augmentation } from './augmentation.js';
import { blurInPlace } from './blur.js';
import { noiseInPlace } from './noise.js';
import { shadowInPlace } from './shadow.js';
import { weatherInPlace } from './weather.js';

/** What stands between the street and the file, in that order: shadows, weather, lens, sensor, compression. */
export async function degradeInPlace(
  image: RgbImage,
  { shadow = 0, weather = 0, blur = 0, noise = 0, jpeg = 0 }: Augmentation,
  rng: Rng,
): Promise<void> {
  // A stream each, always drawn, so that switching one off leaves the others as they were.
  const [shadows, skies, lens, sensor, file] = Array.from({ length: 5 }, () => Rng.of(rng.uint32()));
  if (shadows.chance(shadow)) shadowInPlace(image, shadows);
  if (skies.chance(weather)) weatherInPlace(image, skies);
  if (lens.chance(blur > 0 ? 0.5 : 0)) blurInPlace(image, blur * lens.next());
  if (sensor.chance(noise > 0 ? 0.5 : 0)) noiseInPlace(image, noise * sensor.next(), sensor);
  if (file.chance(jpeg)) await throughJpeg(image, 20 + file.int(71));
}
