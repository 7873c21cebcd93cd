import type { Rgb } from '../data/classes.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { loadSharp } from '../data/sharp.js';
import { UserError } from '../errors.js';
import { escapeHtml } from './escape.js';

/** Names and colours of classes, as models and class tables have them. */
export interface NamedColours {
  readonly names: readonly string[];
  readonly colours: readonly (Rgb | readonly number[])[];
}

/** A letter's width in font sizes: that of sans-serif letters, wide ones too. */
const letterWidth = 0.64;

/**
 * The picture with a legend below: a square and the name of each class that `labels` has.
 * @throws UserError where this machine has no font to write with.
 */
export async function withLegend(
  image: RgbImage,
  labels: LabelImage,
  classes: NamedColours,
): Promise<RgbImage> {
  const present = new Uint8Array(256);
  for (const id of labels.data) present[id] = 1;
  const { width, height } = image;
  const band = await legendBand(classes, (id) => present[id] === 1, width);
  if (!band) return image;
  const data = new Uint8Array(3 * width * (height + band.height));
  data.set(image.data);
  data.set(band.data, image.data.length);
  return { width, height: height + band.height, data };
}

/** A white band of the given width with the classes that are `shown`; `undefined` without any. */
export async function legendBand(
  { names, colours }: NamedColours,
  shown: (id: number) => boolean,
  width: number,
): Promise<RgbImage | undefined> {
  const entries = names.flatMap((name, id) => (shown(id) ? [{ name, colour: colours[id] }] : []));
  if (entries.length === 0) return undefined;
  await checkFont();
  const letter = Math.round(Math.min(36, Math.max(11, width / 55)));
  const line = Math.round(letter * 1.6);
  let [x, y] = [letter, 0];
  const parts = entries.map(({ name, colour }) => {
    const needed = letter * (2.4 + letterWidth * name.length);
    if (x > letter && x + needed > width) [x, y] = [letter, y + line];
    const at = { x, y: y + Math.round(letter * 0.5) };
    x += needed;
    return (
      `<rect x="${at.x}" y="${at.y}" width="${letter}" height="${letter}" fill="rgb(${colour.join(',')})" stroke="#555"/>` +
      `<text x="${at.x + 1.4 * letter}" y="${at.y + 0.86 * letter}">${escapeHtml(name)}</text>`
    );
  });
  return drawSvg(width, y + line + Math.round(letter * 0.4), letter, parts.join(''));
}

async function drawSvg(width: number, height: number, letter: number, content: string): Promise<RgbImage> {
  const sharp = await loadSharp();
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" ` +
    `font-size="${letter}" fill="#222"><rect width="100%" height="100%" fill="#fff"/>${content}</svg>`;
  const data = await sharp(Buffer.from(svg)).flatten().removeAlpha().toColourspace('srgb').raw().toBuffer();
  return { width, height, data };
}

let fontFound: Promise<boolean> | undefined;

/** Without a font text is drawn as nothing. */
async function checkFont(): Promise<void> {
  fontFound ??= drawSvg(32, 32, 24, '<text x="4" y="26">M</text>').then(({ data }) =>
    data.some((value) => value < 128),
  );
  if (await fontFound) return;
  throw new UserError(
    'a legend needs a font, and this machine has none; install one, such as fonts-dejavu-core',
  );
}
