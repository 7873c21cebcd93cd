import type { CallFor } from '../../../graph/planned.js';
import type { Dispatch } from '../shader.js';
import { spanOf } from '../windows.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, WORKGROUP } from './kernel.js';

/** Bytes are written as whole words: each invocation owns one, and keeps the bytes of it that are not `y`'s. */
function copyBytes({ inputs: { x }, outputs: { y }, label }: CallFor<'copy'>): Dispatch {
  if (x.offset % 4 !== 0 || y.offset % 4 !== 0)
    throw new Error(`${label}: bytes that do not start at a word`);
  const words = Math.ceil(spanOf(y) / 4);
  return {
    tensors: { x, y },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(words / WORKGROUP),
    code: `
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${words}u) { return; }
  var word = y_word(i);
  for (var k = 0u; k < 4u; k++) {
    let p = (i * 4u + k) / ${y.pixelStride}u;
    let c = (i * 4u + k) % ${y.pixelStride}u;
    if (c < ${y.shape[3]}u && i * 4u + k < ${spanOf(y)}u) {
      word = insertBits(word, x_ld(p * ${x.pixelStride}u + c), k * 8u, 8u);
    }
  }
  y_sword(i, word);
}`,
  };
}

export const copy: GpuKernel<'copy'> = {
  lower: (call) =>
    call.inputs.x.dtype === 'u8'
      ? [copyBytes(call)]
      : [perQuad(call.inputs.x.shape, { ...call.inputs, ...call.outputs }, 'y_sq(p, c, x_q(p, c));')],
};
