import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';
import { cellText, sampleStruct, sampleText } from './resize.js';

/** Gathers: the output pixels whose first source is the pixel itself or the one before it. */
export const resizeBilinearGrad: GpuKernel<'resizeBilinearGrad'> = {
  lower: ({ inputs: { gy }, outputs: { gx }, attrs }) => {
    const { height, width } = attrs;
    const [, oh, ow] = gy.shape;
    const weightOf = (s: string, i: string) =>
      `select(0f, 1f - ${s}.weight, ${s}.first == ${i}) + select(0f, ${s}.weight, ${s}.second == ${i})`;
    return [
      perQuad(
        gx.shape,
        { gy, gx },
        `let ix = p % ${width}u;
  let iy = p / ${width}u % ${height}u;
  let image = p / ${height * width}u * ${oh * ow}u;
  var sum = vec4f(0f);
  for (var oy = rows(max(iy, 1u) - 1u); oy < rowsEnd(iy + 1u); oy++) {
    let sy = row(oy);
    let wy = ${weightOf('sy', 'iy')};
    for (var ox = columns(max(ix, 1u) - 1u); ox < columnsEnd(ix + 1u); ox++) {
      let sx = column(ox);
      let wx = ${weightOf('sx', 'ix')};
      sum += wy * wx * gy_q(image + oy * ${ow}u + ox, c);
    }
  }
  gx_sq(p, c, sum);`,
        `${sampleStruct}${sampleText('row', height, oh, attrs)}${sampleText('column', width, ow, attrs)}
${cellText('rows', height, oh, attrs)}${cellText('columns', width, ow, attrs)}
fn rowsEnd(i: u32) -> u32 { if (i >= ${height}u) { return ${oh}u; } return rows(i); }
fn columnsEnd(i: u32) -> u32 { if (i >= ${width}u) { return ${ow}u; } return columns(i); }`,
      ),
    ];
  },
};
