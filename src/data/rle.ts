/**
 * Masks as COCO's run lengths: column by column, runs of zeros and ones in turn, zeros first. As text the lengths are
 * differences (from the third on, to the one two before) in groups of five bits, low ones first, each as a character from
 * `0` on (pycocotools `maskApi.c`, `rleToString`).
 */

/**
 * The run lengths of every class that occurs in a label image, in one pass.
 * @param labels `height × width` bytes, rows first.
 * @returns by class: lengths that add up to `height · width`.
 */
export function runLengths(labels: Uint8Array, height: number, width: number): Map<number, number[]> {
  const runs = new Map<number, number[]>();
  /** Where the last run of a class ended. */
  const ends = new Map<number, number>();
  const close = (label: number, start: number, end: number): void => {
    let list = runs.get(label);
    if (!list) {
      list = [];
      runs.set(label, list);
    }
    list.push(start - (ends.get(label) ?? 0), end - start);
    ends.set(label, end);
  };
  let start = 0;
  let current = labels[0];
  for (let x = 0, at = 0; x < width; x++) {
    for (let y = 0; y < height; y++, at++) {
      const label = labels[y * width + x];
      if (label === current) continue;
      close(current, start, at);
      start = at;
      current = label;
    }
  }
  const total = height * width;
  if (total > 0) close(current, start, total);
  for (const [label, list] of runs) {
    const rest = total - ends.get(label)!;
    if (rest > 0) list.push(rest);
  }
  return runs;
}

/** Run lengths as COCO's compressed text. */
export function encodeRunLengths(runs: readonly number[]): string {
  let text = '';
  for (const [i, run] of runs.entries()) {
    let value = i > 2 ? run - runs[i - 2] : run;
    for (let more = true; more; ) {
      let group = value & 31;
      value >>= 5;
      more = group & 16 ? value !== -1 : value !== 0;
      if (more) group |= 32;
      text += String.fromCharCode(group + 48);
    }
  }
  return text;
}

/** The run lengths that COCO's compressed text stands for. @throws Error for text that is none. */
export function decodeRunLengths(text: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    for (let more = true; more; shift += 5) {
      const group = text.charCodeAt(at++) - 48;
      // Six groups hold what a picture can have; the end of the text is no number.
      if (!(group >= 0 && group < 64) || shift > 25) throw new Error('run lengths that cannot be read');
      value |= (group & 31) << shift;
      more = (group & 32) !== 0;
      if (!more && group & 16 && shift < 25) value |= -1 << (shift + 5);
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}
