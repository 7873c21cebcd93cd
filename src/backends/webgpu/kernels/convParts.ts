import type { Dispatch } from '../shader.js';

/**
 * A convolution to lower: `source` is WGSL that defines `xhat_q(p, c)` over what is gathered, `weight` that of its weights;
 * the result of four channels goes to `finish(p, c, sum)`.
 */
export interface GatherParts {
  readonly tensors: Dispatch['tensors'];
  /** WGSL: `fn xhat_q(p: u32, c: u32) -> vec4f`, zeros beyond the last channel. */
  readonly source: string;
  /** WGSL: `fn weight_q_at(t: u32, k: u32, c: u32) -> vec4f`: weights of tap t from input channel k to outputs c … c + 3. */
  readonly weight: string;
  /** WGSL: `fn weight_block(t: u32, k: u32, c: u32) -> mat4x4f`: the columns of inputs k … k + 3, finite where there are none. */
  readonly block: string;
  /** WGSL: `fn finish(p: u32, c: u32, sum: vec4f)`. */
  readonly finish: string;
}
