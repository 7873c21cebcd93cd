import type { GpuKernel } from './kernel.js';
import { perQuad, pixelsOf, WORKGROUP } from './kernel.js';

/** An invocation owns one word of `index`, four elements in a row whatever their pixels. */
export const maxPool: GpuKernel<'maxPool'> = {
  lower: ({ inputs: { x }, outputs: { y, index }, attrs: { kernel, stride, padding }, label }) => {
    const [, h, w] = x.shape;
    const [, oh, ow, channels] = y.shape;
    if (index.offset % 4 !== 0 || index.pixelStride !== channels) {
      throw new Error(`${label}: places that are not dense whole words`);
    }
    const count = pixelsOf(y.shape) * channels;
    const words = Math.ceil(count / 4);
    return [
      {
        tensors: { x, y, index },
        workgroupSize: WORKGROUP,
        workgroups: Math.ceil(words / WORKGROUP),
        code: `
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${words}u) { return; }
  var word = ${count % 4 === 0 ? '0u' : 'index_word(i)'};
  for (var k = 0u; k < 4u; k++) {
    let e = i * 4u + k;
    if (e >= ${count}u) { break; }
    let p = e / ${channels}u;
    let c = e % ${channels}u;
    let left = i32(p % ${ow}u) * ${stride} - ${padding};
    let top = i32(p / ${ow}u % ${oh}u) * ${stride} - ${padding};
    let image = p / ${oh * ow}u * ${h * w}u;
    var best = -3.4e38f;
    var place = 0;
    var found = false;
    for (var dy = max(0, -top); dy < min(${kernel}, ${h} - top); dy++) {
      for (var dx = max(0, -left); dx < min(${kernel}, ${w} - left); dx++) {
        let v = x_ld((image + u32((top + dy) * ${w} + left + dx)) * ${x.pixelStride}u + c);
        if (!found || v > best) {
          found = true;
          best = v;
          place = dy * ${kernel} + dx;
        }
      }
    }
    y_st(p * ${y.pixelStride}u + c, best);
    word = insertBits(word, u32(place), k * 8u, 8u);
  }
  index_sword(i, word);
}`,
      },
    ];
  },
};

/** Gathers: the windows that touch the pixel and say that it was their largest. */
export const maxUnpool: GpuKernel<'maxUnpool'> = {
  lower: ({ inputs: { x, index }, outputs: { y }, attrs: { kernel, stride, padding, height, width } }) => {
    const [, oh, ow] = x.shape;
    const first = (i: string) =>
      `max(0, (${i} + ${padding - kernel + 1} + ${stride - 1 + stride * kernel}) / ${stride} - ${kernel})`;
    const last = (i: string, n: number) => `min(${n - 1}, (${i} + ${padding}) / ${stride})`;
    return [
      perQuad(
        y.shape,
        { x, index, y },
        `let ix = i32(p % ${width}u);
  let iy = i32(p / ${width}u % ${height}u);
  let image = p / ${height * width}u * ${oh * ow}u;
  var sum = vec4f(0f);
  for (var oy = ${first('iy')}; oy <= ${last('iy', oh)}; oy++) {
    for (var ox = ${first('ix')}; ox <= ${last('ix', ow)}; ox++) {
      let o = image + u32(oy * ${ow} + ox);
      let place = u32((iy + ${padding} - oy * ${stride}) * ${kernel} + ix + ${padding} - ox * ${stride});
      let at = o * ${index.pixelStride}u + c;
      let places = vec4u(index_ld(at), index_ld(at + 1u), index_ld(at + 2u), index_ld(at + 3u));
      sum += select(vec4f(0f), x_q(o, c), places == vec4u(place));
    }
  }
  y_sq(p, c, sum);`,
      ),
    ];
  },
};

export const maxGather: GpuKernel<'maxGather'> = {
  lower: ({ inputs: { gy, index }, outputs: { gx }, attrs: { kernel, stride, padding } }) => {
    const [, h, w] = gy.shape;
    const [, oh, ow, channels] = gx.shape;
    return [
      perQuad(
        gx.shape,
        { gy, index, gx },
        `let left = i32(p % ${ow}u) * ${stride} - ${padding};
  let top = i32(p / ${ow}u % ${oh}u) * ${stride} - ${padding};
  let image = p / ${oh * ow}u * ${h * w}u;
  var v = vec4f(0f);
  for (var k = 0u; k < min(4u, ${channels}u - c); k++) {
    let place = i32(index_ld(p * ${index.pixelStride}u + c + k));
    let at = (top + place / ${kernel}) * ${w} + left + place % ${kernel};
    v[k] = gy_ld((image + u32(at)) * ${gy.pixelStride}u + c + k);
  }
  gx_sq(p, c, v);`,
      ),
    ];
  },
};
