import { ignoreId } from '../ignore.js';
import type { LabelImage } from '../image.js';
import { Rng } from '../rng.js';
import type { Augmentation, Pair } from './augmentation.js';

/** How two samples become one: which pixels of the second lie over the first. */
export type MixKind = 'classMix' | 'cutMix' | 'copyPaste';

/** Another sample that is laid over one. */
export interface Mix {
  kind: MixKind;
  /** Its position in the sorted split. */
  partner: number;
  /** Of the other random numbers: how the partner is prepared, and which of its pixels are laid. */
  seed: number;
}

/** Whether and with which of `count` samples one is mixed; depends on nothing else, see `sampleRng`. */
export function drawMix(
  { classMix = 0, cutMix = 0, copyPaste = 0 }: Augmentation,
  at: { seed: number; epoch: number; index: number },
  count: number,
): Mix | undefined {
  const rng = Rng.of(0x6d6978, at.seed, at.epoch, at.index);
  const [u, partner, seed] = [rng.next(), rng.int(count), rng.uint32()];
  if (u < classMix) return { kind: 'classMix', partner, seed };
  if (u < classMix + cutMix) return { kind: 'cutMix', partner, seed };
  return u < classMix + cutMix + copyPaste ? { kind: 'copyPaste', partner, seed } : undefined;
}

/** Lays pixels of `over` on `pair`, in place; both of the same size. @returns how many. */
export function mixInPlace(pair: Pair, over: Pair, kind: MixKind, rng: Rng): number {
  const mask = masks[kind](over.labels, rng);
  let laid = 0;
  for (let p = 0; p < mask.length; p++) {
    if (mask[p] === 0) continue;
    laid++;
    pair.labels.data[p] = over.labels.data[p];
    for (let c = 3 * p; c < 3 * p + 3; c++) pair.image.data[c] = over.image.data[c];
  }
  return laid;
}

/** The pixels of a sample that are laid over another: 1 in a byte a pixel. */
const masks: Record<MixKind, (labels: LabelImage, rng: Rng) => Uint8Array> = {
  /** Half of the classes, rounded up (Olsson et al. 2021, ClassMix). */
  classMix(labels, rng) {
    const present = rng.shuffle(presentClasses(labels).map(({ id }) => id));
    return maskOf(labels, present.slice(0, Math.ceil(present.length / 2)));
  },
  /** A rectangle of 1/10 to 1/2 of the picture (Yun et al. 2019, CutMix; French et al. 2020 for segmentation). */
  cutMix({ height, width }, rng) {
    const area = rng.range(0.1, 0.5);
    const aspect = 2 ** rng.range(-1, 1);
    const h = Math.min(height, Math.round(height * Math.sqrt(area / aspect)));
    const w = Math.min(width, Math.round(width * Math.sqrt(area * aspect)));
    const [top, left] = [rng.int(height - h + 1), rng.int(width - w + 1)];
    const mask = new Uint8Array(height * width);
    for (let y = top; y < top + h; y++) mask.fill(1, y * width + left, y * width + left + w);
    return mask;
  },
  /** Classes with less than a twentieth of the pixels, each with probability ½; things stay where they were. */
  copyPaste(labels, rng) {
    const small = presentClasses(labels).filter(({ pixels }) => pixels < labels.data.length / 20);
    return maskOf(
      labels,
      small.map(({ id }) => id).filter(() => rng.chance(0.5)),
    );
  },
};

function presentClasses({ data }: LabelImage): { id: number; pixels: number }[] {
  const counts = new Uint32Array(256);
  for (const id of data) counts[id]++;
  return [...counts]
    .map((pixels, id) => ({ id, pixels }))
    .filter(({ id, pixels }) => id !== ignoreId && pixels > 0);
}

function maskOf({ data }: LabelImage, ids: readonly number[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const id of ids) table[id] = 1;
  const mask = new Uint8Array(data.length);
  for (let p = 0; p < mask.length; p++) mask[p] = table[data[p]];
  return mask;
}
