import { LOVASZ_BINS } from '../../src/ops/lovasz.js';
import type { Tensor } from './harness.js';

/** Where a coordinate of `to` samples `from`, as `ops/resize.ts` says. */
function source(i: number, from: number, to: number, alignCorners: boolean): [number, number, number] {
  const s = alignCorners
    ? (i * (from - 1)) / Math.max(1, to - 1)
    : Math.max(0, ((i + 0.5) * from) / to - 0.5);
  const low = Math.floor(s);
  return [low, Math.min(low + 1, from - 1), s - low];
}

/** Errors of every class at each labelled pixel of coarse logits: `1 − p` of the label's class, `p` of the others. */
export function* errorsOf(
  { logits, labels }: { logits: Tensor; labels: Tensor },
  alignCorners: boolean,
): Generator<{ at: number; label: number; errors: number[] }> {
  const [, h, w, classes] = logits.shape;
  const [n, height, width] = labels.shape;
  for (let at = 0; at < n * height * width; at++) {
    const label = labels.data[at];
    if (label >= classes) continue;
    const [top, bottom, v] = source(Math.floor(at / width) % height, h, height, alignCorners);
    const [left, right, u] = source(at % width, w, width, alignCorners);
    const image = Math.floor(at / (height * width)) * h;
    const logit = (y: number, x: number, c: number) => logits.data[((image + y) * w + x) * classes + c];
    const e = Array.from({ length: classes }, (_, c) =>
      Math.exp(
        (1 - v) * ((1 - u) * logit(top, left, c) + u * logit(top, right, c)) +
          v * ((1 - u) * logit(bottom, left, c) + u * logit(bottom, right, c)),
      ),
    );
    const total = e.reduce((a, b) => a + b, 0);
    const rest = e.reduce((sum, value, c) => (c === label ? sum : sum + value), 0);
    yield { at, label, errors: e.map((value, c) => (c === label ? rest : value) / total) };
  }
}

/** Takes the label from pixels with an error so near the edge of a bin that rounding decides on which side it falls. */
export function withoutEdges(inputs: { logits: Tensor; labels: Tensor }, alignCorners: boolean): void {
  for (const { at, errors } of errorsOf(inputs, alignCorners)) {
    const place = (error: number) => LOVASZ_BINS * Math.sqrt(error);
    const near = (error: number) => Math.abs(place(error) - Math.round(place(error))) < 4e-3;
    if (errors.some(near)) inputs.labels.data[at] = 255;
  }
}
