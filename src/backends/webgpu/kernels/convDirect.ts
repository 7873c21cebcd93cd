import type { Dispatch } from '../shader.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import { tapGiven, tapsLoop, tapText } from './convSource.js';
import { leastCapabilities, repeat, WORKGROUP } from './kernel.js';

/** Result channels that one invocation computes at most, in fours. */
const DIRECT_QUADS = 4;

/** True where the weights fit in workgroup memory and all result channels in the registers of one invocation. */
export const fitsDirect = (g: Gather): boolean =>
  g.toChannels <= 4 * DIRECT_QUADS &&
  g.taps[0] * g.taps[1] * Math.ceil(g.fromChannels / 4) * 4 * Math.ceil(g.toChannels / 4) * 16 <=
    leastCapabilities.workgroupBytes / 2;

/** Few channels: an invocation computes all channels of a few neighbouring pixels; weights in workgroup memory. */
export function directGather(g: Gather, parts: GatherParts): Dispatch {
  const quads = Math.ceil(g.toChannels / 4);
  const fromQuads = Math.ceil(g.fromChannels / 4);
  const taps = g.taps[0] * g.taps[1];
  const pixels = quads <= 2 ? 4 : 2;
  const perRow = Math.ceil(g.width / pixels);
  const count = g.images * g.height * perRow;
  const weights = taps * fromQuads * 4 * quads;
  const acc = (r: number, q: number) => `a${r}_${q}`;
  return {
    tensors: parts.tensors,
    given: tapGiven(g),
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(count / WORKGROUP),
    code: `${parts.source}
${parts.weight}
${parts.finish}
${tapText(g, 'given')}
var<workgroup> weights: array<vec4f, ${weights}>;
fn body(group: u32, lane: u32) {
  for (var i = lane; i < ${weights}u; i += ${WORKGROUP}u) {
    let row = i / ${quads}u;
    let k = row % ${fromQuads * 4}u;
    if (k < ${g.fromChannels}u) {
      weights[i] = weight_q_at(row / ${fromQuads * 4}u, k, (i % ${quads}u) * 4u);
    } else {
      weights[i] = vec4f(0f);
    }
  }
  workgroupBarrier();
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${count}u) { return; }
  let x = (i % ${perRow}u) * ${pixels}u;
  let row = i / ${perRow}u;
  let y = row % ${g.height}u;
  let image = row / ${g.height}u * ${g.fromHeight * g.fromWidth}u;
  ${repeat(pixels, (r) => repeat(quads, (q) => `var ${acc(r, q)} = vec4f(0f);`))}
  ${tapsLoop(g)} {
    ${repeat(pixels, (r) => `let p${r} = tap(vec2i(i32(x) + ${r}, i32(y)), t);`)}
    for (var k = 0u; k < ${fromQuads}u; k++) {
      ${repeat(pixels, (r) => `var x${r} = vec4f(0f); if (p${r} >= 0) { x${r} = xhat_q(image + u32(p${r}), k * 4u); }`)}
      let w = (t * ${fromQuads}u + k) * ${4 * quads}u;
      ${repeat(
        Math.min(4, g.fromChannels),
        (j) => `{
        ${repeat(quads, (q) => `let w${q} = weights[w + ${j * quads + q}u];`)}
        ${repeat(pixels, (r) => repeat(quads, (q) => `${acc(r, q)} = fma(vec4f(x${r}[${j}]), w${q}, ${acc(r, q)});`))}
      }`,
      )}
    }
  }
  let p = row * ${g.width}u + x;
  ${repeat(
    pixels,
    (r) =>
      `if (x + ${r}u < ${g.width}u) { ${repeat(quads, (q) => `finish(p + ${r}u, ${q * 4}u, ${acc(r, q)});`)} }`,
  )}
}`,
  };
}
