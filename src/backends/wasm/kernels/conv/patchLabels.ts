/**
 * The largest of the channels that a transposed convolution gives, whose windows do not overlap: every pixel makes the logits of
 * a patch of pixels, which never leave the first-level cache.
 */

import { largestChannel } from '../argmax';
import { No } from '../lanes';
import { Span } from '../span';
import { Input } from './input';
import { fillPointBlock } from './pointBlock';
import { blockPixels, pointBlock } from './pointwise';

@unmanaged
class PatchLabelsArgs {
  input: Input;
  /** Rows of all images. */
  span: Span;
  classes: i32;
  patchRows: i32;
  patchColumns: i32;
  /** As `convPackWeights` leaves them, for each row of a patch; and the bytes from one to the next. */
  weights: usize;
  weightStep: usize;
  /** Of all outputs of a row of a patch, or 0. */
  bias: usize;
  slope: usize;
  labels: usize;
  /** Bytes of eights of outputs, of which there are zeros, then ones, at the start of `local`, then a `PointBlock`, then logits. */
  octBytes: usize;
}

export function convPatchLabels(a: PatchLabelsArgs, chunk: i32, local: usize): void {
  const input = a.input;
  const width = input.width;
  const patchColumns = a.patchColumns;
  const k = fillPointBlock(input, 1, local, a.octBytes);
  k.yStep = a.octBytes;
  const bias = a.bias ? a.bias : local;
  const slope = a.slope ? a.slope : local + a.octBytes;
  const logits = k.spare;
  const classBytes = (a.classes as usize) << 2;
  const outputs = (a.octBytes >> 2) as i32;
  const to = a.span.last(chunk);
  for (let row = a.span.first(chunk); row < to; row++) {
    // Rows of all images lie one behind the other, in what is read and in what is written.
    let x = input.x + (row as usize) * input.row;
    let labels = a.labels + ((row * a.patchRows * patchColumns * width) as usize);
    for (let left = 0; left < width; left += blockPixels) {
      const count = min(blockPixels, width - left);
      let weights = a.weights;
      let y = labels;
      for (let i = 0; i < a.patchRows; i++) {
        pointBlock<No>(k, x, weights, logits, 0, bias, slope, count, outputs);
        let at = logits;
        let label = y;
        for (let p = 0; p < count; p++) {
          for (let q = 0; q < patchColumns; q++) {
            store<u8>(label, largestChannel(at + (q as usize) * classBytes, classBytes));
            label++;
          }
          at += a.octBytes;
        }
        weights += a.weightStep;
        y += (patchColumns * width) as usize;
      }
      x += (blockPixels as usize) * input.pixel;
      labels += (blockPixels * patchColumns) as usize;
    }
  }
}
