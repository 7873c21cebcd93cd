import type { Call, CallFor } from '../../../../graph/planned.js';
import type { Dispatch } from '../../shader.js';
import { finishOf, prologueText } from '../convSource.js';
import type { Candidate, Capabilities } from '../kernel.js';
import { preluText } from '../kernel.js';

/** Ways to run two calls as one dispatch; none for most. */
export type Pair = (first: Call, second: Call, able: Capabilities) => readonly Candidate[];

type Conv = CallFor<'conv2d'>;

/** Whether the second call takes what the first gives as its `x`, and nothing else of it. */
export const chained = (
  first: Conv,
  second: { readonly inputs: { readonly x: { name: string } } },
): boolean => second.inputs.x.name === first.outputs.y.name;

/** The tensors of two chained convolutions but the one between; those of the second with `2` behind their names. */
export const chainTensors = ({ inputs }: Conv, second: Conv): Dispatch['tensors'] => {
  const { weight, bias, slope, residual, preScale, preShift, preSlope } = second.inputs;
  return {
    ...inputs,
    ...{ weight2: weight, bias2: bias, slope2: slope, residual, y: second.outputs.y },
    ...{ preScale2: preScale, preShift2: preShift, preSlope2: preSlope },
  };
};

/**
 * WGSL over the tensors of the first call: `xhat_q(p, c)` as in `prologueText`, and `between(map, sum) -> vec4f`: four
 * channels as the second call sees them, of sums of the first, with `map = mapOf(c)`. `next`: prologue of the second, its
 * tensors as `chainTensors` names them.
 */
export function firstText({ inputs, attrs }: Conv, next: Partial<Conv['inputs']> = {}): string {
  const one = 'vec4f(1f)';
  const zero = 'vec4f(0f)';
  const of = (name: string, ref: unknown, otherwise: string) => (ref ? `${name}_q(0u, c)` : otherwise);
  return `${prologueText(inputs, attrs.normalize)}
struct Map { bias: vec4f, slope: vec4f, scale: vec4f, shift: vec4f, slope2: vec4f }
fn mapOf(c: u32) -> Map {
  return Map(${of('bias', inputs.bias, zero)}, ${of('slope', inputs.slope, one)},
    ${of('preScale2', next.preScale, one)}, ${of('preShift2', next.preShift, zero)}, ${of('preSlope2', next.preSlope, one)});
}
fn between(map: Map, sum: vec4f) -> vec4f {
  let z = sum + map.bias;
  let v = ${preluText('z', 'map.slope')} * map.scale + map.shift;
  return ${preluText('v', 'map.slope2')};
}`;
}

/** WGSL over `chainTensors`: `firstText`, and `finish(p, c, sum)`, which stores channels of pixel p of the result. */
export const chainText = (first: Conv, second: Conv): string =>
  `${firstText(first, second.inputs)}
${finishOf(second, '2')}`;
