import type { CallFor } from '../../../../graph/planned.js';
import type { Dispatch } from '../../shader.js';
import type { Candidate } from '../kernel.js';
import { quadsOf, repeat } from '../kernel.js';
import { sampledFrom, samplesText, wordsShareSources, wordText } from '../resize.js';
import type { Pair } from './pair.js';
import { chained, firstText } from './pair.js';

/** Logits along each axis that the labels of a workgroup stand for: the more, the fewer are computed by two. */
const tiles = [
  { height: 8, width: 8 },
  { height: 8, width: 16 },
  { height: 16, width: 16 },
] as const;

const INVOCATIONS = 256;
/** Pixels whose sums an invocation keeps in registers. */
const MOST_PIXELS = 8;
/** Workgroup memory beyond which too few workgroups fit on a processor. */
const MOST_BYTES = 40960;

/**
 * A 1×1 convolution to the classes and the labels of its upsampled logits, as one dispatch. A workgroup computes the
 * logits that its labels lie between, those at the border too, and keeps them in workgroup memory.
 */
export const convArgmax: Pair = (first, second, able) => {
  if (first.op !== 'conv2d' || second.op !== 'resizeArgmax' || !chained(first, second)) return [];
  const { weight, residual } = first.inputs;
  const { stride, padding, groups } = first.attrs;
  const plain =
    weight.shape[0] * weight.shape[1] * groups === 1 && [...stride, ...padding].join() === '1,1,0,0';
  // Words of labels must not reach into the next row.
  if (!plain || residual || second.attrs.width % 4 !== 0) return [];
  return tiles.flatMap((tile): Candidate[] => {
    const cells = cellsOf(first, second, tile);
    const bytes = 4 * cells.height * cells.width * strideOf(first);
    if (bytes > Math.min(able.workgroupBytes, MOST_BYTES) || INVOCATIONS > able.invocations) return [];
    return [
      {
        name: `tiles of ${cells.labelHeight}×${cells.labelWidth}`,
        lower: () => [lowerArgmax(first, second, cells)],
      },
    ];
  });
};

/** What a workgroup computes at most: labels, and the logits they lie between. */
interface Cells {
  readonly labelHeight: number;
  readonly labelWidth: number;
  readonly height: number;
  readonly width: number;
}

/** Floats from the logits of one pixel to those of the next: odd, so that neighbours lie in different banks. */
const strideOf = ({ outputs: { y } }: CallFor<'conv2d'>): number => y.shape[3] | 1;

function cellsOf(
  { outputs: { y } }: CallFor<'conv2d'>,
  { attrs }: CallFor<'resizeArgmax'>,
  tile: { readonly height: number; readonly width: number },
): Cells {
  const labels = (cells: number, from: number, to: number) =>
    Math.min(4 * Math.max(1, Math.round((cells * to) / from / 4)), 4 * Math.ceil(to / 4));
  /** Most logits under `step` labels that start at a multiple of it. */
  const reach = (step: number, from: number, to: number) => {
    let most = 1;
    for (let o = 0; o < to; o += step) {
      const last = Math.min(sampledFrom(Math.min(o + step, to) - 1, from, to, attrs) + 1, from - 1);
      most = Math.max(most, last - sampledFrom(o, from, to, attrs) + 1);
    }
    return most;
  };
  const labelHeight = labels(tile.height, y.shape[1], attrs.height);
  const labelWidth = labels(tile.width, y.shape[2], attrs.width);
  return {
    ...{ labelHeight, labelWidth },
    height: reach(labelHeight, y.shape[1], attrs.height),
    width: reach(labelWidth, y.shape[2], attrs.width),
  };
}

function lowerArgmax(first: CallFor<'conv2d'>, second: CallFor<'resizeArgmax'>, cells: Cells): Dispatch {
  const { attrs, label } = second;
  const { labels } = second.outputs;
  if (labels.offset % 4 !== 0 || labels.pixelStride !== 1)
    throw new Error(`${label}: labels must be dense words`);
  const [images, h, w, classes] = first.outputs.y.shape;
  const cin = first.inputs.x.shape[3];
  const quads = quadsOf(first.outputs.y.shape);
  const stride = strideOf(first);
  const count = cells.height * cells.width;
  const pixels = Math.min(MOST_PIXELS, Math.ceil((count * quads) / INVOCATIONS));
  const groups = Math.ceil(count / pixels);
  const across = Math.ceil(attrs.width / cells.labelWidth);
  const down = Math.ceil(attrs.height / cells.labelHeight);
  const line = (j: number) => (cin % 4 === 0 ? `k * 4u + ${j}u` : `min(k * 4u + ${j}u, ${cin - 1}u)`);
  return {
    tensors: { ...first.inputs, labels },
    workgroupSize: INVOCATIONS,
    workgroups: images * across * down,
    code: `${firstText(first)}
${samplesText(first.outputs.y, attrs)}
var<workgroup> logits: array<f32, ${count * stride}>;
fn body(group: u32, lane: u32) {
  let image = group / ${across * down}u;
  let left = group % ${across}u * ${cells.labelWidth}u;
  let top = group / ${across}u % ${down}u * ${cells.labelHeight}u;
  let fromX = column(left).first;
  let fromY = row(top).first;
  for (var i = lane; i < ${groups * quads}u; i += ${INVOCATIONS}u) {
    let c = i % ${quads}u * 4u;
    ${repeat(
      pixels,
      (r) => `let i${r} = i / ${quads}u + ${r * groups}u;
    let p${r} = (image * ${h}u + min(fromY + i${r} / ${cells.width}u, ${h - 1}u)) * ${w}u + min(fromX + i${r} % ${cells.width}u, ${w - 1}u);
    var a${r} = vec4f(0f);`,
    )}
    for (var k = 0u; k < ${Math.ceil(cin / 4)}u; k++) {
      ${repeat(4, (j) => `let w${j} = weight_q(${line(j)}, c);`)}
      ${repeat(
        pixels,
        (r) => `{
        let x = xhat_q(p${r}, k * 4u);
        a${r} = fma(vec4f(x.x), w0, fma(vec4f(x.y), w1, fma(vec4f(x.z), w2, fma(vec4f(x.w), w3, a${r}))));
      }`,
      )}
    }
    let map = mapOf(c);
    ${repeat(pixels, (r) => `if (i${r} < ${count}u) { store(i${r}, c, between(map, a${r})); }`)}
  }
  workgroupBarrier();
  for (var i = lane; i < ${(cells.labelHeight * cells.labelWidth) / 4}u; i += ${INVOCATIONS}u) {
    let x = left + i % ${cells.labelWidth / 4}u * 4u;
    let y = top + i / ${cells.labelWidth / 4}u;
    if (x >= ${attrs.width}u || y >= ${attrs.height}u) { continue; }
    let sy = row(y);
    let top = (sy.first - fromY) * ${cells.width}u - fromX;
    let bottom = (sy.second - fromY) * ${cells.width}u - fromX;
    ${wordText(classes, wordsShareSources(w, attrs.width, attrs), (pixel) => `logits[(${pixel}) * ${stride}u + c]`)}
    labels_sword(((image * ${attrs.height}u + y) * ${attrs.width}u + x) / 4u, word);
  }
}
fn store(i: u32, c: u32, v: vec4f) {
  for (var k = 0u; k < 4u; k++) { if (c + k < ${classes}u) { logits[i * ${stride}u + c + k] = v[k]; } }
}`,
  };
}
