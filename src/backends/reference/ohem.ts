import { hardnessOf, UNLABELLED } from '../../ops/ohem.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';
import { interpolate, samplesOf } from './resize.js';

export const hardLabels: ReferenceKernel<'hardLabels'> = ({ inputs, outputs, attrs }, arena) => {
  const logits = new View(arena, inputs.logits);
  const labels = new View(arena, inputs.labels);
  const classes = logits.c;
  const rows = samplesOf(logits.h, labels.h, attrs.alignCorners);
  const columns = samplesOf(logits.w, labels.w, attrs.alignCorners);
  const hardness = new Uint8Array(labels.pixels).fill(UNLABELLED);
  const z = new Float64Array(classes);
  for (let n = 0, p = 0; n < labels.n; n++) {
    for (let y = 0; y < labels.h; y++) {
      for (let x = 0; x < labels.w; x++, p++) {
        const label = labels.data[labels.at(n, y, x)];
        if (label === attrs.ignore || label >= classes) continue;
        interpolate(logits, n, rows[y], columns[x], z);
        const largest = Math.max(...z);
        const parts = z.map((v) => Math.exp(v - largest));
        const rest = parts.reduce((sum, v, c) => (c === label ? sum : sum + v), 0);
        hardness[p] = hardnessOf(rest / (rest + parts[label]));
      }
    }
  }
  const sorted = [...hardness.filter((h) => h !== UNLABELLED)].sort((a, b) => b - a);
  // In float32, as kernels count: 0.05 · 140 in float64 is a little more than 7.
  const wanted = Math.ceil(Math.fround(Math.fround(attrs.least) * sorted.length));
  const cut = Math.min(hardnessOf(1 - attrs.threshold), wanted > 0 ? sorted[wanted - 1] : 254);
  const kept = [...labels.dense()].map((label, p) =>
    hardness[p] !== UNLABELLED && hardness[p] >= cut ? label : attrs.ignore,
  );
  new View(arena, outputs.hard).assign(kept);
};
