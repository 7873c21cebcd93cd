import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { ConvAttrs } from '../../../ops/conv.js';
import { imageCoefficients } from '../../../ops/image.js';
import { f32 } from '../shader.js';
import { spanOf } from '../windows.js';
import { preluText } from './kernel.js';

interface PrologueRefs {
  readonly x: TensorRef;
  readonly preScale?: TensorRef;
  readonly preShift?: TensorRef;
  readonly preSlope?: TensorRef;
}

/**
 * WGSL of `fn xhat_q(p: u32, c: u32) -> vec4f`: four channels of pixel p of `x` after its prologue, or of a u8 image
 * normalised; zeros beyond the last channel.
 */
export function prologueText(
  { x, preScale, preSlope }: PrologueRefs,
  normalize?: ConvAttrs['normalize'],
): string {
  if (x.dtype === 'u8') return normalizedText(x, normalize);
  const moved = preScale ? 'x_q(p, c) * preScale_q(0u, c) + preShift_q(0u, c)' : 'x_q(p, c)';
  return `fn xhat_q(p: u32, c: u32) -> vec4f {
  let v = ${moved};
  return ${preSlope ? preluText('v', 'preSlope_q(0u, c)') : 'v'};
}`;
}

/** The same for invocations that keep to four channels c: `once` loads what does not depend on the pixel. */
export function keptPrologue(
  inputs: PrologueRefs,
  normalize?: ConvAttrs['normalize'],
): { declarations: string; once(c: string): string; each(p: string, c: string): string } {
  const { x, preScale, preSlope } = inputs;
  if (x.dtype === 'u8') {
    const declarations = prologueText(inputs, normalize);
    return { declarations, once: () => '', each: (p, c) => `xhat_q(${p}, ${c})` };
  }
  return {
    declarations: `fn xhat(x: vec4f, scale: vec4f, shift: vec4f, slope: vec4f) -> vec4f {
  let v = ${preScale ? 'x * scale + shift' : 'x'};
  return ${preSlope ? preluText('v', 'slope') : 'v'};
}`,
    once: (c) => `
  let preScale = ${preScale ? `preScale_q(0u, ${c})` : 'vec4f(1f)'};
  let preShift = ${preScale ? `preShift_q(0u, ${c})` : 'vec4f(0f)'};
  let preSlope = ${preSlope ? `preSlope_q(0u, ${c})` : 'vec4f(1f)'};`,
    each: (p, c) => `xhat(x_q(${p}, ${c}), preScale, preShift, preSlope)`,
  };
}

/** `(x/255 − mean)/std` as `x·scale + shift`; channels that do not exist have zeros for both. */
function normalizedText(x: TensorRef, normalize: ConvAttrs['normalize']): string {
  const channels = x.shape[3];
  const quads = Math.ceil(channels / 4);
  const none = { scale: new Array<number>(channels).fill(1), shift: new Array<number>(channels).fill(0) };
  const { scale, shift } = normalize ? imageCoefficients(normalize) : none;
  const table = (values: readonly number[]) =>
    Array.from({ length: quads }, (_, quad) => {
      const lanes = [0, 1, 2, 3].map((k) => values[quad * 4 + k] ?? 0);
      return `vec4f(${lanes.map(f32).join(', ')})`;
    }).join(', ');
  // Up to four bytes lie in two words; what comes with them belongs to other pixels and is multiplied by zero.
  const inWords = quads === 1 && x.offset % 4 === 0;
  const lastWord = Math.ceil(spanOf(x) / 4) - 1;
  const byte = (k: number) => `f32(x_ld(min(i + ${k}u, p * ${x.pixelStride}u + ${channels - 1}u)))`;
  const load = inWords
    ? `let shift = (i & 3u) * 8u;
  let word = (x_word(i >> 2u) >> shift) | ((x_word(min((i >> 2u) + 1u, ${lastWord}u)) << 1u) << (31u - shift));
  let v = vec4f((vec4u(word) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u));`
    : `let v = vec4f(${[0, 1, 2, 3].map(byte).join(', ')});`;
  return `
const imageScale = array<vec4f, ${quads}>(${table(scale)});
const imageShift = array<vec4f, ${quads}>(${table(shift)});
fn xhat_q(p: u32, c: u32) -> vec4f {
  let i = p * ${x.pixelStride}u + c;
  ${load}
  return v * imageScale[${quads === 1 ? '0' : 'c / 4u'}] + imageShift[${quads === 1 ? '0' : 'c / 4u'}];
}`;
}

/** Names of the tensors of an epilogue. */
interface Finish {
  readonly bias?: string;
  readonly slope?: string;
  readonly added?: string;
  /** What the slope is of: see `ActivatedConvAttrs`. */
  readonly activates?: 'sum';
  readonly result: string;
  /** Pixel of the result and of what is added. Default `p`. */
  readonly at?: string;
}

/** WGSL of `fn finish(p: u32, c: u32, sum: vec4f)`: stores `prelu(sum + bias) + added`, or `prelu(sum + bias + added)`. */
export function finishText({ bias, slope, added, activates, result, at = 'p' }: Finish): string {
  const residual = added ? ` + ${added}_q(at, c)` : '';
  const [before, after] = activates === 'sum' ? [residual, ''] : ['', residual];
  return `fn finish(p: u32, c: u32, sum: vec4f) {
  let at = ${at};
  let z = sum${bias ? ` + ${bias}_q(0u, c)` : ''}${before};
  ${result}_sq(at, c, ${slope ? preluText('z', `${slope}_q(0u, c)`) : 'z'}${after});
}`;
}

/** The same of a convolution; `number`: what its vectors have behind their names. */
export const finishOf = (
  { inputs: { bias, slope, residual }, attrs: { activates } }: CallFor<'conv2d'>,
  number = '',
): string =>
  finishText({
    ...{ bias: bias && `bias${number}`, slope: slope && `slope${number}` },
    ...{ added: residual && 'residual', activates, result: 'y' },
  });

/** What a convolution and the gradient of its input have in common: taps gathered around each output pixel. */
export interface Gather {
  /** Size of the result. */
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** Size of what is gathered. */
  readonly fromHeight: number;
  readonly fromWidth: number;
  readonly fromChannels: number;
  readonly toChannels: number;
  readonly taps: readonly [number, number];
  readonly attrs: ConvAttrs;
  /** True for the gradient of the input, where strides divide and taps run backwards. */
  readonly transposed: boolean;
}

/**
 * WGSL of `fn tap(origin: vec2i, t: u32) -> i32`: the pixel within its image that tap t of output pixel
 * `(x, y) = origin` reads, or −1 for padding. `by: 'given'` takes padding and dilation from `tapGiven`: modules that differ
 * in their dilations, as V modules do, then share a shader.
 */
export function tapText(g: Gather, by: 'text' | 'given' = 'text'): string {
  const { taps, attrs, transposed, fromHeight, fromWidth } = g;
  const axis = (name: 'x' | 'y', k: 0 | 1) => {
    const { [k]: stride } = attrs.stride;
    const number = (i: 0 | 1) => (by === 'given' ? `given(${2 * k + i}u)` : `${tapGiven(g)[2 * k + i]}`);
    const step = taps[k] === 1 ? '0' : `t${name} * ${number(1)}`;
    if (!transposed) return `let ${name} = o.${name} * ${stride} - ${number(0)} + ${step};`;
    const at = `o.${name} + ${number(0)} - ${step}`;
    return stride === 1
      ? `let ${name} = ${at};`
      : `let ${name}s = ${at};
  if (${name}s < 0 || ${name}s % ${stride} != 0) { return -1; }
  let ${name} = ${name}s / ${stride};`;
  };
  return `fn tap(o: vec2i, t: u32) -> i32 {
  let tx = i32(t % ${taps[1]}u);
  let ty = i32(t / ${taps[1]}u);
  ${axis('y', 0)}
  ${axis('x', 1)}
  if (y < 0 || y >= ${fromHeight} || x < 0 || x >= ${fromWidth}) { return -1; }
  return y * ${fromWidth} + x;
}`;
}

/** Padding and dilation along y, then along x. */
export const tapGiven = ({ attrs: { padding, dilation } }: Gather): readonly number[] => [
  padding[0],
  dilation[0],
  padding[1],
  dilation[1],
];

/** WGSL before a block that is run for each tap `t`. SwiftShader takes four times as long to compile a loop of one turn. */
export const tapsLoop = ({ taps: [kh, kw] }: Gather): string =>
  kh * kw === 1 ? 'const t = 0u;' : `for (var t = 0u; t < ${kh * kw}u; t++)`;
