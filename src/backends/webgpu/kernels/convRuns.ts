import type { Dispatch } from '../shader.js';
import { linesOf } from './convLines.js';
import type { GatherParts } from './convParts.js';
import type { Gather } from './convSource.js';
import type { Capabilities } from './kernel.js';
import { repeat } from './kernel.js';

/** How `runsGather` cuts its work. */
export interface Runs {
  /** Register tile of an invocation: pixels of a run × quads of channels. */
  readonly pixels: number;
  readonly quads: number;
  /** Runs of a workgroup. */
  readonly rows: number;
  /** Quads of input channels in workgroup memory at a time. */
  readonly depth: number;
  /** Winograd's F(4, 3): six products for four pixels of three taps, where twelve were. */
  readonly winograd: boolean;
}

/** Workgroup memory of a cut, bytes, and invocations. */
function sizesOf(g: Gather, { pixels, quads, rows, depth, winograd }: Runs) {
  const { taps } = linesOf(g);
  const toQuads = Math.ceil(g.toChannels / 4);
  const wanted = Math.ceil(toQuads / quads);
  const channelTiles = Math.ceil(wanted / 32);
  const columns = Math.ceil(wanted / channelTiles);
  const sources = pixels + taps - 1;
  const products = winograd ? 6 : taps;
  // An odd stride keeps neighbouring runs in different banks.
  const stride = depth | 1;
  const bytes = 16 * (rows * sources * stride + products * depth * 4 * quads * columns);
  return {
    columns,
    channelTiles,
    sources,
    products,
    stride,
    bytes,
    workgroupSize: rows * columns,
    tileQuads: quads * columns,
  };
}

/** Values and blocks of weights that one invocation holds for the next step at most: they are registers, and text to compile. */
const MOST_LOADS = 8;

/** True where the adapter has the memory and the invocations for a cut, and the convolution the shape. */
export function fitsRuns(g: Gather, runs: Runs, able: Capabilities): boolean {
  const { bytes, workgroupSize, sources, tileQuads } = sizesOf(g, runs);
  const { depth, rows, winograd } = runs;
  const weights = (winograd ? 3 : linesOf(g).taps) * depth * tileQuads;
  const loads = (rows * sources * depth + weights) / workgroupSize;
  return (
    bytes <= able.workgroupBytes &&
    workgroupSize <= able.invocations &&
    workgroupSize >= 32 &&
    loads <= MOST_LOADS &&
    (!runs.winograd || (linesOf(g).taps === 3 && runs.pixels % 4 === 0))
  );
}

/**
 * Implicit matrix product over runs of pixels that lie as far apart as the taps, so that an invocation uses each loaded value
 * for all taps, whatever the dilation. A workgroup stages a few input channels of its runs and their weights in workgroup
 * memory, and loads the next while it multiplies.
 */
export function runsGather(g: Gather, parts: GatherParts, runs: Runs): Dispatch {
  const { pixels, quads, rows, depth, winograd } = runs;
  const { axis, taps, dilation, flat, length, fromLength, offset, flatText } = linesOf(g);
  const { columns, channelTiles, sources, products, stride, workgroupSize, tileQuads } = sizesOf(g, runs);
  const fromQuads = Math.ceil(g.fromChannels / 4);
  const toQuads = Math.ceil(g.toChannels / 4);
  // A loop of one turn takes SwiftShader several times as long to compile.
  const isOneStep = depth >= fromQuads;
  const segments = dilation * Math.ceil(Math.ceil(length / dilation) / pixels);
  const lines = flat ? 1 : g.images * (axis === 0 ? g.width : g.height);
  const count = lines * segments;
  const place =
    flat || axis === 1
      ? `let segment = u % ${segments}u;
  let line = u / ${segments}u;
  return Run(line * ${flat ? 0 : g.fromWidth}u, line * ${flat ? 0 : g.width}u, segment % ${dilation}u + segment / ${dilation}u * ${pixels * dilation}u);`
      : `let segment = u / ${g.width}u % ${segments}u;
  let image = u / ${g.width * segments}u;
  let x = u % ${g.width}u;
  return Run(image * ${g.fromHeight * g.fromWidth}u + x, image * ${g.height * g.width}u + x, segment % ${dilation}u + segment / ${dilation}u * ${pixels * dilation}u);`;
  const step = axis === 0 && !flat ? g.width : 1;

  const xSlots = rows * sources * depth;
  const xLoads = Math.ceil(xSlots / workgroupSize);
  const wSlots = (winograd ? 1 : taps) * depth * tileQuads;
  const wLoads = Math.ceil(wSlots / workgroupSize);
  const slot = (l: number) => (l === 0 ? 'lane' : `(lane + ${l * workgroupSize}u)`);
  const inside = (l: number, slots: number) =>
    (l + 1) * workgroupSize <= slots ? 'true' : `${slot(l)} < ${slots}u`;
  const wTaps = winograd ? [0, 1, 2] : [0];
  const tapOf = (l: number, t: number) =>
    winograd ? `${g.transposed ? 2 - t : t}u` : `${slot(l)} / ${tileQuads * depth}u`;
  const load = (first: string) => `
    ${repeat(
      xLoads,
      (l) => `{
      let k = ${first} + ${slot(l)} % ${depth}u;
      nx${l} = vec4f(0f);
      if (at${l} >= 0 && k < ${fromQuads}u) { nx${l} = xhat_q(u32(at${l}), k * 4u); }
    }`,
    )}
    ${repeat(
      wLoads,
      (l) => `{
      let c = firstQuad + ${slot(l)} % ${tileQuads}u;
      let k = ${first} + ${slot(l)} / ${tileQuads}u % ${depth}u;
      if (${inside(l, wSlots)} && k < ${fromQuads}u && c < ${toQuads}u) {
        ${wTaps.map((t) => `nw${l}_${t} = weight_block(${tapOf(l, t)}, k * 4u, c * 4u);`).join('\n        ')}
      }
    }`,
    )}`;
  const store = `
    ${repeat(
      xLoads,
      (l) =>
        `if (${inside(l, xSlots)}) { xs[${slot(l)} / ${depth}u * ${stride}u + ${slot(l)} % ${depth}u] = nx${l}; }`,
    )}
    ${repeat(
      wLoads,
      (l) => `if (${inside(l, wSlots)}) {
      let at = ${slot(l)} / ${tileQuads}u * ${4 * tileQuads}u + ${slot(l)} % ${tileQuads}u;
      ${winograd ? winogradWeights(l, depth * 4 * tileQuads, tileQuads) : repeat(4, (j) => `ws[at + ${j * tileQuads}u] = nw${l}_0[${j}];`)}
    }`,
    )}`;

  const acc = (r: number, i: number, q: number) => `a${r}_${i}_${q}`;
  const tiles = winograd ? pixels / 4 : pixels;
  const inTile = winograd ? 6 : 1;
  const each = (text: (r: number, i: number, q: number) => string) =>
    repeat(tiles, (r) => repeat(inTile, (i) => repeat(quads, (q) => text(r, i, q))));
  const multiply = repeat(products, (t) => {
    const from = (r: number) => (winograd ? `v${r}_${t}` : `x${r + (g.transposed ? taps - 1 - t : t)}`);
    return repeat(
      4,
      (j) => `{
        ${repeat(quads, (q) => `let w${q} = ws[w + ${(t * depth * 4 + j) * tileQuads + q * columns}u];`)}
        ${repeat(tiles, (r) => repeat(quads, (q) => `${acc(r, winograd ? t : 0, q)} = fma(vec4f(${from(r)}[${j}]), w${q}, ${acc(r, winograd ? t : 0, q)});`))}
      }`,
    );
  });
  return {
    tensors: parts.tensors,
    workgroupSize,
    workgroups: Math.ceil(count / rows) * channelTiles,
    code: `${parts.source}
${parts.block}
${parts.finish}
${flatText}
struct Run { input: u32, output: u32, first: u32 }
fn run_at(u: u32) -> Run {
  ${place}
}
fn source_at(u: u32, s: u32) -> i32 {
  let run = run_at(u);
  let at = i32(run.first + s * ${dilation}u) + ${offset};
  if (u >= ${count}u || at < 0 || at >= ${fromLength}) { return -1; }
  return ${flat ? 'i32(flat_source(u32(at)))' : `i32(run.input) + at * ${step}`};
}
var<workgroup> xs: array<vec4f, ${rows * sources * stride}>;
var<workgroup> ws: array<vec4f, ${products * depth * 4 * tileQuads}>;
fn body(group: u32, lane: u32) {
  let firstRun = group / ${channelTiles}u * ${rows}u;
  let firstQuad = group % ${channelTiles}u * ${tileQuads}u;
  let column = lane % ${columns}u;
  let row = lane / ${columns}u;
  ${repeat(
    xLoads,
    (l) => `var nx${l}: vec4f;
  let at${l} = select(-1, source_at(firstRun + ${slot(l)} / ${depth * sources}u, ${slot(l)} / ${depth}u % ${sources}u), ${inside(l, xSlots)});`,
  )}
  ${repeat(wLoads, (l) => wTaps.map((t) => `var nw${l}_${t}: mat4x4f;`).join(' '))}
  ${each((r, i, q) => `var ${acc(r, i, q)} = vec4f(0f);`)}
  ${load('0u')}
  ${isOneStep ? '{ let first = 0u;' : `for (var first = 0u; first < ${fromQuads}u; first += ${depth}u) {`}
    workgroupBarrier();
    ${store}
    workgroupBarrier();
    ${isOneStep ? '' : `if (first + ${depth}u < ${fromQuads}u) { let next = first + ${depth}u; ${load('next')} }`}
    for (var k = 0u; k < min(${depth}u, ${fromQuads}u - first); k++) {
      let x = row * ${sources * stride}u + k;
      let w = k * ${4 * tileQuads}u + column;
      ${repeat(sources, (s) => `let x${s} = xs[x + ${s * stride}u];`)}
      ${winograd ? repeat(tiles, winogradInputs) : ''}
      ${multiply}
    }
  }
  let u = firstRun + row;
  if (u >= ${count}u) { return; }
  let run = run_at(u);
  ${repeat(pixels, (j) => `let o${j} = run.first + ${j * dilation}u;`)}
  ${repeat(
    quads,
    (q) => `{
    let quad = firstQuad + column + ${q * columns}u;
    if (quad < ${toQuads}u) {
      ${repeat(pixels, (j) => `if (o${j} < ${length}u) { finish(run.output + o${j} * ${step}u, quad * 4u, ${winograd ? winogradOutput(j, q) : acc(j, 0, q)}); }`)}
    }
  }`,
  )}
}`,
  };
}

/** The six products' weights of a block from those of three taps: `G g` of F(4, 3), points 0, ±1, ±2 and ∞. */
function winogradWeights(l: number, perProduct: number, perChannel: number): string {
  return repeat(4, (j) => {
    const [g0, g1, g2] = [0, 1, 2].map((t) => `nw${l}_${t}[${j}]`);
    const put = (i: number, value: string) => `ws[at + ${i * perProduct + j * perChannel}u] = ${value};`;
    return `{
        let even = (${g0} + ${g2}) * ${-1 / 6}f; let odd = ${g1} * ${-1 / 6}f;
        let far = ${g0} * ${1 / 24}f + ${g2} * ${1 / 6}f; let twice = ${g1} * ${1 / 12}f;
        ${put(0, `${g0} * 0.25f`)} ${put(1, 'even + odd')} ${put(2, 'even - odd')}
        ${put(3, 'far + twice')} ${put(4, 'far - twice')} ${put(5, g2)}
      }`;
  });
}

/** `Bᵀ d` of the six pixels of tile `r`. */
function winogradInputs(r: number): string {
  const d = (i: number) => `x${4 * r + i}`;
  return `let v${r}_0 = 4f * ${d(0)} - 5f * ${d(2)} + ${d(4)};
      let s${r}_1 = ${d(4)} - 4f * ${d(2)}; let t${r}_1 = ${d(3)} - 4f * ${d(1)};
      let s${r}_2 = ${d(4)} - ${d(2)}; let t${r}_2 = 2f * (${d(3)} - ${d(1)});
      let v${r}_1 = s${r}_1 + t${r}_1; let v${r}_2 = s${r}_1 - t${r}_1;
      let v${r}_3 = s${r}_2 + t${r}_2; let v${r}_4 = s${r}_2 - t${r}_2;
      let v${r}_5 = 4f * ${d(1)} - 5f * ${d(3)} + ${d(5)};`;
}

/** Pixel `j`, `Aᵀ m` of its tile. */
function winogradOutput(j: number, q: number): string {
  const m = (i: number) => `a${j >> 2}_${i}_${q}`;
  return [
    `${m(0)} + (${m(1)} + ${m(2)}) + (${m(3)} + ${m(4)})`,
    `(${m(1)} - ${m(2)}) + 2f * (${m(3)} - ${m(4)})`,
    `(${m(1)} + ${m(2)}) + 4f * (${m(3)} + ${m(4)})`,
    `(${m(1)} - ${m(2)}) + 8f * (${m(3)} - ${m(4)}) + ${m(5)}`,
  ][j & 3];
}
