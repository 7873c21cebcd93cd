import type { Rgb } from '../classes.js';

/** Colours as `rrggbb`, with a space between them. */
export const palette = (codes: string): readonly Rgb[] =>
  codes.split(' ').map((code) => {
    const bits = Number.parseInt(code, 16);
    return [bits >> 16, (bits >> 8) & 255, bits & 255];
  });
