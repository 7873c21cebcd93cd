import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { Shape } from '../../../ir/value.js';
import type { Dispatch } from '../shader.js';
import { bytesCandidate } from './convBytes.js';
import { gatherCandidates } from './convGather.js';
import type { Gather } from './convSource.js';
import { finishOf, finishText, prologueText, tapText } from './convSource.js';
import type { Candidate, GpuKernel, TunedKernel } from './kernel.js';
import { perQuad } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

export const conv2d: GpuKernel<'conv2d'> = {
  candidates: (call, able) => {
    const { inputs, outputs, attrs } = call;
    const { x, weight } = inputs;
    const { y } = outputs;
    const gather: Gather = {
      images: y.shape[0],
      height: y.shape[1],
      width: y.shape[2],
      fromHeight: x.shape[1],
      fromWidth: x.shape[2],
      fromChannels: x.shape[3],
      toChannels: y.shape[3],
      taps: [weight.shape[0], weight.shape[1]],
      attrs,
      transposed: false,
    };
    const parts = {
      tensors: { ...inputs, ...outputs },
      source: prologueText(inputs, attrs.normalize),
      weight: `fn weight_q_at(t: u32, k: u32, c: u32) -> vec4f { return weight_q(t * ${weight.shape[2]}u + k, c); }`,
      block: `fn weight_block(t: u32, k: u32, c: u32) -> mat4x4f {
  return mat4x4f(${[0, 1, 2, 3].map((j) => `weight_q(t * ${weight.shape[2]}u + min(k + ${j}u, ${weight.shape[2] - 1}u), c)`).join(', ')});
}`,
      finish: finishOf(call),
    };
    if (attrs.groups > 1) return grouped(gather, parts, weight);
    const bytes = bytesCandidate(call, gather, parts);
    return [...(bytes ? [bytes] : []), ...gatherCandidates(gather, parts, able)];
  },
};

type Pair = readonly [number, number];

/** Every stride-th pixel of a map, by the pixels of a smaller one. */
const spreadText = ({ shape: [, height, width] }: TensorRef, [, h, w]: Shape, [down, across]: Pair): string =>
  `(p / ${h * w}u * ${height}u + p / ${w}u % ${h}u * ${down}u) * ${width}u + p % ${w}u * ${across}u`;

export const conv2dGradInput: TunedKernel<'conv2dGradInput'> = {
  candidates: (call, able) => {
    const { inputs, outputs, attrs } = call;
    const { gy, weight, acc } = inputs;
    const { gx } = outputs;
    const [, , groupIn] = weight.shape;
    const isSparse = sparse(call);
    const [, height, width] = isSparse ? gy.shape : gx.shape;
    const gather: Gather = {
      images: gx.shape[0],
      height,
      width,
      fromHeight: gy.shape[1],
      fromWidth: gy.shape[2],
      fromChannels: gy.shape[3],
      toChannels: gx.shape[3],
      taps: [weight.shape[0], weight.shape[1]],
      attrs: isSparse ? { ...attrs, stride: [1, 1] } : attrs,
      transposed: true,
    };
    const { bias, slope } = inputs;
    const operands = { bias: bias && 'bias', slope: slope && 'slope', added: acc && 'acc', result: 'gx' };
    const finish = (at?: string) => finishText({ ...operands, at });
    const row = (k: number) =>
      `weight_ld((r + min(${k}u, ${groupIn - 1}u - c)) * ${weight.pixelStride}u + k)`;
    const parts = {
      tensors: { ...inputs, ...outputs },
      source: 'fn xhat_q(p: u32, c: u32) -> vec4f { return gy_q(p, c); }',
      // Rows beyond the last repeat it; what they add to is not stored.
      weight: `fn weight_q_at(t: u32, k: u32, c: u32) -> vec4f {
  let r = t * ${groupIn}u + c;
  return vec4f(${[0, 1, 2, 3].map(row).join(', ')});
}`,
      block: `fn weight_block(t: u32, k: u32, c: u32) -> mat4x4f {
  return transpose(mat4x4f(${[0, 1, 2, 3].map((i) => `weight_q(t * ${groupIn}u + min(c + ${i}u, ${groupIn - 1}u), k)`).join(', ')}));
}`,
      finish: finish(isSparse ? spreadText(gx, gy.shape, attrs.stride) : undefined),
    };
    if (attrs.groups > 1) return grouped(gather, parts, weight);
    const candidates = gatherCandidates(gather, parts, able);
    if (!isSparse) return candidates;
    // To the other pixels comes a sum of nothing.
    const rest = (): Dispatch[] =>
      acc?.offset === gx.offset
        ? []
        : [perQuad(gx.shape, parts.tensors, 'finish(p, c, vec4f(0f));', finish())];
    return candidates.map((candidate) => ({ ...candidate, lower: () => [...rest(), ...candidate.lower()] }));
  },
};

/** Whether most pixels of the result get nothing, and no bias: of a convolution of a single tap and a stride. */
const sparse = ({
  inputs: { weight, bias },
  attrs: { stride, padding, groups },
}: CallFor<'conv2dGradInput'>): boolean =>
  groups === 1 &&
  !bias &&
  weight.shape[0] * weight.shape[1] === 1 &&
  padding[0] + padding[1] === 0 &&
  stride[0] * stride[1] > 1;

const grouped = (...of: Parameters<typeof groupedGather>): Candidate[] => [
  { name: 'grouped', lower: () => [groupedGather(...of)] },
];

/** Grouped convolutions, one result at a time. */
function groupedGather(
  g: Gather,
  parts: { tensors: Dispatch['tensors']; source: string; finish: string },
  weight: TensorRef,
): Dispatch {
  const [kh, kw, groupIn, cout] = weight.shape;
  const { groups } = g.attrs;
  const fromGroup = g.fromChannels / groups;
  const toGroup = g.toChannels / groups;
  // weight[t, i, o]: i within the group of inputs, o over all outputs of the forward convolution.
  const index = g.transposed
    ? `(t * ${groupIn}u + j % ${toGroup}u) * ${cout}u + source + k`
    : `(t * ${groupIn}u + k) * ${cout}u + j`;
  return perQuad(
    [g.images, g.height, g.width, g.toChannels],
    parts.tensors,
    `var sum = vec4f(0f);
  let o = vec2i(i32(p % ${g.width}u), i32(p / ${g.width}u % ${g.height}u));
  let image = p / ${g.width * g.height}u * ${g.fromHeight * g.fromWidth}u;
  for (var lane = 0u; lane < 4u; lane++) {
    let j = c + lane;
    if (j >= ${g.toChannels}u) { break; }
    let source = j / ${toGroup}u * ${fromGroup}u;
    for (var t = 0u; t < ${kh * kw}u; t++) {
      let at = tap(o, t);
      if (at < 0) { continue; }
      for (var k = 0u; k < ${fromGroup}u; k++) {
        let v = xhat_q(image + u32(at), (source + k) / 4u * 4u);
        sum[lane] += v[(source + k) % 4u] * weight_ld(${index});
      }
    }
  }
  finish(p, c, sum);`,
    `${parts.source}\n${parts.finish}\n${tapText(g)}`,
  );
}

export const sumPixels: GpuKernel<'sumPixels'> = {
  scratch: ({ inputs }) => channelSumsBytes(inputs.x.shape, 1),
  lower: (call) =>
    channelSums({
      call,
      tensors: { ...call.inputs, ...call.outputs },
      shape: call.inputs.x.shape,
      rows: 1,
      each: 's0 += x_q(p, c);',
      finish: 'sum_sq(0u, c, s0);',
    }),
};

export const scaleWeight: GpuKernel<'scaleWeight'> = {
  lower: ({ inputs, outputs, attrs: { of } }) => {
    const { shape } = inputs.weight;
    const scale = of === 'inputs' ? `scale_ld(p % ${shape[2]}u)` : 'scale_q(0u, c)';
    return [perQuad(shape, { ...inputs, ...outputs }, `y_sq(p, c, weight_q(p, c) * ${scale});`)];
  },
};
