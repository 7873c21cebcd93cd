import type { CallFor } from '../../../../graph/planned.js';
import type { Dispatch } from '../../shader.js';
import { finishOf, prologueText } from '../convSource.js';
import type { Candidate } from '../kernel.js';
import { preluText, quadsOf, repeat } from '../kernel.js';
import { stripText } from '../pool.js';
import type { Pair } from './pair.js';

const INVOCATIONS = 128;
/** Rows of the tiles that are offered. */
const tileRows = [4, 8] as const;
/** Register tile of the convolution: pixels × quads of channels. */
const PIXELS = 4;
const QUADS = 2;

/**
 * The two halves of CPP as one dispatch: a 1×1 convolution and a pyramid of poolings of one map, at one stride. A workgroup
 * computes both of a tile of the result, so that what one reads is near when the other does.
 */
export const convPyramid: Pair = (first, second) => {
  if (first.op !== 'conv2d' || second.op !== 'pyramidPool' || !sameInput(first, second)) return [];
  const { weight } = first.inputs;
  const { stride, padding, groups } = first.attrs;
  const pointwise = weight.shape[0] * weight.shape[1] * groups === 1 && padding.every((value) => value === 0);
  if (!pointwise || stride.some((value) => value !== second.attrs.stride)) return [];
  return tileRows.map((rows): Candidate => {
    const width = Math.max(8, Math.min(64, Math.floor(INVOCATIONS / quadsOf(first.inputs.x.shape))));
    return { name: `tiles of ${rows}×${width}`, lower: () => [lowerPyramid(first, second, rows, width)] };
  });
};

/** Whether both read the same, through the same prologue. */
const sameInput = ({ inputs: a }: CallFor<'conv2d'>, { inputs: b }: CallFor<'pyramidPool'>): boolean =>
  (['x', 'preScale', 'preShift', 'preSlope'] as const).every((name) => a[name]?.name === b[name]?.name);

function lowerPyramid(
  conv: CallFor<'conv2d'>,
  pool: CallFor<'pyramidPool'>,
  tileHeight: number,
  tileWidth: number,
): Dispatch {
  const { x } = conv.inputs;
  const { scale, slope: slope2 } = pool.inputs;
  const [images, height, width, channels] = conv.outputs.y.shape;
  const [, h, w, cin] = x.shape;
  const { stride } = pool.attrs;
  const across = Math.ceil(width / tileWidth);
  const down = Math.ceil(height / tileHeight);
  const pixels = tileWidth * tileHeight;
  const rows = pixels / PIXELS;
  const quads = quadsOf(conv.outputs.y.shape);
  const columns = Math.ceil(quads / QUADS);
  const strips = tileWidth * quadsOf(x.shape);
  const eachPixel = (text: (r: number) => string) => repeat(PIXELS, text);
  const line = (j: number) => (cin % 4 === 0 ? `k * 4u + ${j}u` : `min(k * 4u + ${j}u, ${cin - 1}u)`);
  return {
    tensors: {
      ...conv.inputs,
      ...conv.outputs,
      ...{ scale, shift: pool.inputs.shift, slope2, y2: pool.outputs.y },
    },
    workgroupSize: INVOCATIONS,
    workgroups: images * across * down,
    code: `${prologueText(conv.inputs, conv.attrs.normalize)}
${finishOf(conv)}
fn pooled(p: u32, c: u32, sum: vec4f) {
  let z = ${scale ? 'scale_q(0u, c) * sum + shift_q(0u, c)' : 'sum'};
  y2_sq(p, c, ${slope2 ? preluText('z', 'slope2_q(0u, c)') : 'z'});
}
${stripText({ from: x.shape, height, width, rows: tileHeight, attrs: pool.attrs })}
fn body(group: u32, lane: u32) {
  let image = group / ${across * down}u;
  let left = group % ${across}u * ${tileWidth}u;
  let top = group / ${across}u % ${down}u * ${tileHeight}u;
  for (var i = lane; i < ${strips}u; i += ${INVOCATIONS}u) {
    let ox = left + i / ${quadsOf(x.shape)}u;
    if (ox < ${width}u) { strip(image, ox, top, i % ${quadsOf(x.shape)}u * 4u); }
  }
  for (var i = lane; i < ${rows * columns}u; i += ${INVOCATIONS}u) {
    let column = i % ${columns}u;
    ${eachPixel(
      (r) => `let x${r}_ = left + (i / ${columns}u + ${r * rows}u) % ${tileWidth}u;
    let y${r}_ = top + (i / ${columns}u + ${r * rows}u) / ${tileWidth}u;
    let p${r} = (image * ${h}u + min(y${r}_, ${height - 1}u) * ${stride}u) * ${w}u + min(x${r}_, ${width - 1}u) * ${stride}u;`,
    )}
    ${repeat(
      QUADS,
      (q) => `let c${q} = (column + ${q * columns}u) * 4u;
    let from${q} = min(c${q}, ${4 * (quads - 1)}u);
    ${eachPixel((r) => `var a${r}_${q} = vec4f(0f);`)}`,
    )}
    for (var k = 0u; k < ${quadsOf(x.shape)}u; k++) {
      ${eachPixel((r) => `let x${r} = xhat_q(p${r}, k * 4u);`)}
      ${repeat(
        4,
        (j) => `{
        ${repeat(QUADS, (q) => `let w${q} = weight_q(${line(j)}, from${q});`)}
        ${eachPixel((r) => repeat(QUADS, (q) => `a${r}_${q} = fma(vec4f(x${r}[${j}]), w${q}, a${r}_${q});`))}
      }`,
      )}
    }
    ${eachPixel(
      (r) => `if (x${r}_ < ${width}u && y${r}_ < ${height}u) {
      let p = (image * ${height}u + y${r}_) * ${width}u + x${r}_;
      ${repeat(QUADS, (q) => `if (c${q} < ${channels}u) { finish(p, c${q}, a${r}_${q}); }`)}
    }`,
    )}
  }
}`,
  };
}
