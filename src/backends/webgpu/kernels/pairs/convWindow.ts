import type { CallFor } from '../../../../graph/planned.js';
import type { Dispatch } from '../../shader.js';
import { tapText } from '../convSource.js';
import type { Candidate } from '../kernel.js';
import { quadsOf, repeat } from '../kernel.js';
import type { Pair } from './pair.js';
import { chained, chainTensors, chainText } from './pair.js';

/** How a workgroup is cut: of the tensor between it computes at most `width × height` pixels. */
interface Tile {
  readonly width: number;
  readonly height: number;
  readonly invocations: number;
}

/** Offered tiles: the larger, the fewer pixels are computed by two workgroups, and the fewer workgroups there are. */
const tiles: readonly Tile[] = [
  { width: 32, height: 12, invocations: 128 },
  { width: 32, height: 16, invocations: 256 },
  { width: 32, height: 32, invocations: 256 },
];

/** Quads of channels of one pixel that an invocation keeps in registers. */
const MOST_QUADS = 4;
/** Workgroup memory beyond which too few workgroups fit on a processor. */
const MOST_BYTES = 40960;

/**
 * Two convolutions of few channels as one dispatch: two of the stem. A workgroup computes a tile of the tensor between,
 * with the border that the second convolution reads, keeps it in workgroup memory, and from it the result.
 */
export const convWindow: Pair = (first, second, able) => {
  if (first.op !== 'conv2d' || second.op !== 'conv2d' || !chained(first, second)) return [];
  const widest = Math.max(quadsOf(first.outputs.y.shape), quadsOf(second.outputs.y.shape));
  const plain = first.attrs.groups === 1 && second.attrs.groups === 1 && !first.inputs.residual;
  if (!plain || widest > MOST_QUADS) return [];
  return tiles.flatMap((tile): Candidate[] => {
    const window = windowOf(first, second, tile);
    const fits =
      16 * (window.slots + window.weights) <= Math.min(able.workgroupBytes, MOST_BYTES) &&
      tile.invocations <= able.invocations;
    if (!fits || window.width < 1 || window.height < 1) return [];
    return [
      {
        name: `tiles of ${window.width}×${window.height}`,
        lower: () => [lowerWindow(first, second, window, tile.invocations)],
      },
    ];
  });
};

type Conv = CallFor<'conv2d'>;

/** What a workgroup computes. */
interface Window {
  /** Pixels of the result. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the tensor between, and quads of it in workgroup memory. */
  readonly fromWidth: number;
  readonly fromHeight: number;
  readonly slots: number;
  /** Quads of weights of both convolutions, those of the first in front. */
  readonly weights: number;
  readonly firstWeights: number;
}

function windowOf(first: Conv, second: Conv, tile: Tile): Window {
  const { weight } = second.inputs;
  const { stride, dilation } = second.attrs;
  const spread = (axis: 0 | 1) => (weight.shape[axis] - 1) * dilation[axis] + 1;
  const length = (most: number, axis: 0 | 1) => Math.floor((most - spread(axis)) / stride[axis]) + 1;
  const [height, width] = [length(tile.height, 0), length(tile.width, 1)];
  const fromHeight = (height - 1) * stride[0] + spread(0);
  const fromWidth = (width - 1) * stride[1] + spread(1);
  const weights = ({ inputs, outputs }: Conv) =>
    inputs.weight.shape[0] * inputs.weight.shape[1] * 4 * quadsOf(inputs.x.shape) * quadsOf(outputs.y.shape);
  return {
    ...{ width, height, fromWidth, fromHeight },
    slots: fromWidth * fromHeight * quadsOf(first.outputs.y.shape),
    weights: weights(first) + weights(second),
    firstWeights: weights(first),
  };
}

function lowerWindow(first: Conv, second: Conv, window: Window, workgroupSize: number): Dispatch {
  const [x, middle, y] = [first.inputs.x, first.outputs.y, second.outputs.y];
  const [midQuads, toQuads] = [middle, y].map(({ shape }) => quadsOf(shape));
  const { stride, padding, dilation } = second.attrs;
  const [taps, tapsAcross] = [first.inputs.weight.shape, second.inputs.weight.shape];
  const across = Math.ceil(y.shape[2] / window.width);
  const down = Math.ceil(y.shape[1] / window.height);
  const results = window.width * window.height;
  const between = window.fromWidth * window.fromHeight;
  const each = (count: number, text: string) =>
    `for (var i = lane; i < ${count}u; i += ${workgroupSize}u) { ${text} }`;
  /** Rows beyond the last are zeros: what lies there in the input is. */
  const stage = (name: string, { inputs }: Conv, outQuads: number, at: number) => {
    const [kh, kw, cin] = inputs.weight.shape;
    const lines = 4 * quadsOf(inputs.x.shape);
    return each(
      kh * kw * lines * outQuads,
      `let line = i / ${outQuads}u;
    var v = vec4f(0f);
    if (line % ${lines}u < ${cin}u) { v = ${name}_q(line / ${lines}u * ${cin}u + line % ${lines}u, i % ${outQuads}u * 4u); }
    weights[${at}u + i] = v;`,
    );
  };
  /** Sums of `pixels` pixels of an invocation over taps and channels; `source`: WGSL of `x0`, `x1`, … of tap t, quad k. */
  const sums = (pixels: number, conv: Conv, quads: number, at: number, places: string, source: string) => {
    const [kh, kw, cin] = conv.inputs.weight.shape;
    return `${repeat(pixels, (r) => repeat(quads, (q) => `var a${r}_${q} = vec4f(0f);`))}
  for (var t = 0u; t < ${kh * kw}u; t++) {
    ${places}
    for (var k = 0u; k < ${Math.ceil(cin / 4)}u; k++) {
      ${source}
      let w = ${at}u + (t * ${Math.ceil(cin / 4)}u + k) * ${4 * quads}u;
      ${repeat(
        Math.min(4, cin),
        (j) => `{
        ${repeat(quads, (q) => `let w${q} = weights[w + ${j * quads + q}u];`)}
        ${repeat(pixels, (r) => repeat(quads, (q) => `a${r}_${q} = fma(vec4f(x${r}[${j}]), w${q}, a${r}_${q});`))}
      }`,
      )}
    }
  }`;
  };
  const betweens = Math.ceil(between / workgroupSize);
  const outs = Math.ceil(results / workgroupSize);
  const slot = (r: number) => `lane + ${r * workgroupSize}u`;
  const gather = {
    ...{ images: x.shape[0], height: middle.shape[1], width: middle.shape[2] },
    ...{
      fromHeight: x.shape[1],
      fromWidth: x.shape[2],
      fromChannels: x.shape[3],
      toChannels: middle.shape[3],
    },
    taps: [taps[0], taps[1]] as const,
    attrs: first.attrs,
    transposed: false,
  };
  return {
    tensors: chainTensors(first, second),
    workgroupSize,
    workgroups: y.shape[0] * across * down,
    code: `${chainText(first, second)}
${tapText(gather)}
// Quad q of pixel i of the tensor between in tile[q · ${between} + i].
var<workgroup> tile: array<vec4f, ${window.slots}>;
var<workgroup> weights: array<vec4f, ${window.weights}>;
fn body(group: u32, lane: u32) {
  ${stage('weight', first, midQuads, 0)}
  ${stage('weight2', second, toQuads, window.firstWeights)}
  workgroupBarrier();
  let image = group / ${across * down}u;
  let left = group % ${across}u * ${window.width}u;
  let top = group / ${across}u % ${down}u * ${window.height}u;
  {
    let origin = vec2i(i32(left) * ${stride[1]} - ${padding[1]}, i32(top) * ${stride[0]} - ${padding[0]});
    ${repeat(
      betweens,
      (
        r,
      ) => `let o${r} = origin + vec2i(i32((${slot(r)}) % ${window.fromWidth}u), i32((${slot(r)}) / ${window.fromWidth}u));
    let live${r} = ${slot(r)} < ${between}u && all(o${r} >= vec2i(0)) && all(o${r} < vec2i(${middle.shape[2]}, ${middle.shape[1]}));`,
    )}
    ${sums(
      betweens,
      first,
      midQuads,
      0,
      repeat(betweens, (r) => `let p${r} = select(-1, tap(o${r}, t), live${r});`),
      repeat(
        betweens,
        (r) =>
          `var x${r} = vec4f(0f); if (p${r} >= 0) { x${r} = xhat_q(image * ${x.shape[1] * x.shape[2]}u + u32(p${r}), k * 4u); }`,
      ),
    )}
    ${repeat(
      midQuads,
      (q) => `{
      let map = mapOf(${4 * q}u);
      ${repeat(betweens, (r) => `if (${slot(r)} < ${between}u) { tile[${slot(r)} + ${q * between}u] = select(vec4f(0f), between(map, a${r}_${q}), live${r}); }`)}
    }`,
    )}
  }
  workgroupBarrier();
  ${repeat(
    outs,
    (r) => `let x${r}_ = min(${slot(r)}, ${results - 1}u) % ${window.width}u;
  let y${r}_ = min(${slot(r)}, ${results - 1}u) / ${window.width}u;
  let from${r} = y${r}_ * ${stride[0] * window.fromWidth}u + x${r}_ * ${stride[1]}u;`,
  )}
  ${sums(
    outs,
    second,
    toQuads,
    window.firstWeights,
    `let offset = t / ${tapsAcross[1]}u * ${dilation[0] * window.fromWidth}u + t % ${tapsAcross[1]}u * ${dilation[1]}u;`,
    repeat(outs, (r) => `let x${r} = tile[k * ${between}u + offset + from${r}];`),
  )}
  ${repeat(
    outs,
    (r) => `if (${slot(r)} < ${results}u && left + x${r}_ < ${y.shape[2]}u && top + y${r}_ < ${y.shape[1]}u) {
    let p = (image * ${y.shape[1]}u + top + y${r}_) * ${y.shape[2]}u + left + x${r}_;
    ${repeat(toQuads, (q) => `finish(p, ${4 * q}u, a${r}_${q});`)}
  }`,
  )}
}`,
  };
}
