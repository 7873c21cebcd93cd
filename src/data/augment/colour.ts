import type { RgbImage } from '../image.js';
import type { Augmentation } from './augmentation.js';

/** One change of colour; the factors 1 change nothing. */
export interface Colour {
  brightness: number;
  contrast: number;
  saturation: number;
  gamma: number;
  gains: readonly [red: number, green: number, blue: number];
}

/**
 * v → w = gain · 255 (v / 255)^γ per channel; w → clamp(m + contrast · (brightness · w − m)) with m the changed image's mean
 * grey times brightness; then rgb → grey + saturation · (rgb − grey), grey = 0.299 r + 0.587 g + 0.114 b.
 */
export function recolourInPlace(image: RgbImage, colour: Colour): void {
  const { data } = image;
  const { brightness, contrast, saturation, gamma, gains } = colour;
  const lit = gains.map((gain) =>
    Float32Array.from({ length: 256 }, (_, v) => brightness * gain * 255 * (v / 255) ** gamma),
  );
  const counts = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)];
  for (let i = 0; i < data.length; i += 3) {
    counts[0][data[i]]++;
    counts[1][data[i + 1]]++;
    counts[2][data[i + 2]]++;
  }
  let sum = 0;
  for (const [k, share] of [0.299, 0.587, 0.114].entries()) {
    for (let v = 0; v < 256; v++) sum += share * counts[k][v] * lit[k][v];
  }
  const mean = sum / (data.length / 3);
  const [reds, greens, blues] = lit.map((w) =>
    Uint8ClampedArray.from(w, (value) => mean + contrast * (value - mean)),
  );
  const out = new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  const s = Math.round(saturation * 256);
  for (let i = 0; i < data.length; i += 3) {
    const r = reds[data[i]];
    const g = greens[data[i + 1]];
    const b = blues[data[i + 2]];
    const rest = ((77 * r + 150 * g + 29 * b) * (256 - s)) >> 8;
    out[i] = (rest + r * s + 128) >> 8;
    out[i + 1] = (rest + g * s + 128) >> 8;
    out[i + 2] = (rest + b * s + 128) >> 8;
  }
}

/** The change of colour of a sample from six uniform numbers; undefined where none is asked for. */
export function drawColour(
  augment: Augmentation | undefined,
  factors: readonly number[],
  light: readonly number[],
): Colour | undefined {
  const amounts = jitterOf(augment?.jitter);
  const { gamma = 0, balance = 0 } = augment ?? {};
  if (amounts.brightness + amounts.contrast + amounts.saturation + gamma + balance === 0) return undefined;
  const within = (amount: number, u: number) => 1 + amount * (2 * u - 1);
  return {
    brightness: within(amounts.brightness, factors[0]),
    contrast: within(amounts.contrast, factors[1]),
    saturation: within(amounts.saturation, factors[2]),
    gamma: (1 + gamma) ** (2 * light[0] - 1),
    gains: [within(balance, light[1]), 1, within(balance, light[2])],
  };
}

/** Strength of colour jitter, one amount a change. */
function jitterOf(jitter: Augmentation['jitter']): {
  brightness: number;
  contrast: number;
  saturation: number;
} {
  if (typeof jitter === 'number') return { brightness: jitter, contrast: jitter, saturation: jitter };
  return jitter ?? { brightness: 0, contrast: 0, saturation: 0 };
}
