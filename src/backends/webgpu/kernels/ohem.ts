import type { CallFor } from '../../../graph/planned.js';
import { hardnessOf, UNLABELLED } from '../../../ops/ohem.js';
import type { Dispatch } from '../shader.js';
import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { matrixBytes, scratchMatrix, WORKGROUP } from './kernel.js';
import { sampleStruct, sampleText } from './resize.js';

/** Words of four pixels that one workgroup counts. */
const wordsPerChunk = 16384;
const layout = ({ inputs: { labels } }: CallFor<'hardLabels'>) => {
  const [n, height, width] = labels.shape;
  const count = n * height * width;
  const words = Math.ceil(count / 4);
  const chunks = Math.ceil(words / wordsPerChunk);
  return { count, words, chunks, bytes: matrixBytes(chunks + 1, 256) };
};

/** `statement` for each word `i` of four pixels. */
const perWord = (
  words: number,
  tensors: Dispatch['tensors'],
  statement: string,
  declarations = '',
): Dispatch => ({
  tensors,
  workgroupSize: WORKGROUP,
  workgroups: Math.ceil(words / WORKGROUP),
  code: `${declarations}
fn body(group: u32, lane: u32) {
  let i = group * ${WORKGROUP}u + lane;
  if (i >= ${words}u) { return; }
  ${statement}
}`,
});

/**
 * Hardness of every pixel, counted per chunk in workgroup memory (sums of integers, so their order does not matter),
 * the cut from all counts, and the labels that stay.
 */
export const hardLabels: GpuKernel<'hardLabels'> = {
  scratch: (call) => layout(call).bytes,
  lower(call) {
    const { logits, labels } = call.inputs;
    const { hard } = call.outputs;
    const { ignore, threshold, least } = call.attrs;
    if (hard.offset % 4 !== 0 || hard.pixelStride !== 1) {
      throw new Error(`${call.label}: labels that are not dense whole words`);
    }
    const [, h, w, classes] = logits.shape;
    const [, height, width] = labels.shape;
    const { count, words, chunks } = layout(call);
    // A row of 256 counts per chunk, then a row that starts with the cut.
    const counts = scratchMatrix(call, 0, chunks + 1, 256);
    const eachPixel = (text: string) => `
  var word = ${count % 4 === 0 ? '0u' : 'hard_word(i)'};
  for (var k = 0u; k < 4u; k++) {
    let p = i * 4u + k;
    if (p >= ${count}u) { break; }
    let label = labels_ld(p * ${labels.pixelStride}u);
    ${text}
  }
  hard_sword(i, word);`;
    const at = (row: string, column: string) =>
      `logits_ld((${row} + ${column}) * ${logits.pixelStride}u + c)`;
    const z = `mix(mix(${at('top', 'sx.first')}, ${at('top', 'sx.second')}, sx.weight),
        mix(${at('bottom', 'sx.first')}, ${at('bottom', 'sx.second')}, sx.weight), sy.weight)`;
    return [
      perWord(
        words,
        { logits, labels, hard },
        eachPixel(`var byte = ${UNLABELLED}u;
    if (label != ${ignore}u && label < ${classes}u) {
      let sx = column(p % ${width}u);
      let sy = row(p / ${width}u % ${height}u);
      let image = p / ${height * width}u * ${h * w}u;
      let top = image + sy.first * ${w}u;
      let bottom = image + sy.second * ${w}u;
      var high = -3.4e38f;
      for (var c = 0u; c < ${classes}u; c++) { high = max(high, ${z}); }
      var rest = 0f;
      var own = 0f;
      for (var c = 0u; c < ${classes}u; c++) {
        let e = exp(${z} - high);
        if (c == label) { own = e; } else { rest += e; }
      }
      byte = min(254u, u32(255f * sqrt(sqrt(rest / (rest + own)))));
    }
    word = insertBits(word, byte, k * 8u, 8u);`),
        `${sampleStruct}${sampleText('row', h, height, call.attrs)}${sampleText('column', w, width, call.attrs)}`,
      ),
      {
        tensors: { hard, counts },
        workgroupSize: WORKGROUP,
        workgroups: chunks,
        code: `
var<workgroup> bins: array<atomic<u32>, 256>;
fn body(group: u32, lane: u32) {
  atomicStore(&bins[lane], 0u);
  workgroupBarrier();
  let end = min((group + 1u) * ${wordsPerChunk}u, ${words}u);
  for (var i = group * ${wordsPerChunk}u + lane; i < end; i += ${WORKGROUP}u) {
    let word = hard_word(i);
    for (var k = 0u; k < min(4u, ${count}u - i * 4u); k++) {
      atomicAdd(&bins[extractBits(word, k * 8u, 8u)], 1u);
    }
  }
  workgroupBarrier();
  counts_st(group * 256u + lane, f32(atomicLoad(&bins[lane])));
}`,
      },
      {
        tensors: { counts },
        workgroupSize: WORKGROUP,
        workgroups: 1,
        code: `
var<workgroup> totals: array<u32, 256>;
fn body(group: u32, lane: u32) {
  var total = 0u;
  for (var k = 0u; k < ${chunks}u; k++) { total += u32(counts_ld(k * 256u + lane)); }
  totals[lane] = total;
  workgroupBarrier();
  if (lane == 0u) {
    let wanted = u32(ceil(${f32(least)} * f32(${count}u - totals[${UNLABELLED}u])));
    var cut = 254u;
    var kept = totals[cut];
    while (cut > 0u && (cut > ${hardnessOf(1 - threshold)}u || kept < wanted)) {
      cut--;
      kept += totals[cut];
    }
    counts_st(${chunks * 256}u, f32(cut));
  }
}`,
      },
      perWord(
        words,
        { labels, hard, counts },
        `let cut = u32(counts_ld(${chunks * 256}u));
  let bytes = hard_word(i);
  ${eachPixel(`let byte = extractBits(bytes, k * 8u, 8u);
    let keep = byte != ${UNLABELLED}u && byte >= cut;
    word = insertBits(word, select(${ignore}u, label, keep), k * 8u, 8u);`)}`,
      ),
    ];
  },
};
