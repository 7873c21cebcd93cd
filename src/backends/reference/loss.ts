import type { ReferenceKernel } from './arena.js';
import { View, vectorOf } from './arena.js';
import { interpolate, samplesOf, scatter } from './resize.js';

/** Two passes: the total weight first, then loss and gradient `w·(softmax(z) − target) / Σ w` of every pixel. */
export const crossEntropy: ReferenceKernel<'crossEntropy'> = ({ inputs, outputs, attrs }, arena) => {
  const { ignore, labelSmoothing } = attrs;
  const logits = new View(arena, inputs.logits);
  const labels = new View(arena, inputs.labels);
  const glogits = new View(arena, outputs.glogits);
  const classes = logits.c;
  const classWeights = vectorOf(arena, inputs.classWeights, classes, 1);
  const rows = samplesOf(logits.h, labels.h, attrs.alignCorners);
  const columns = samplesOf(logits.w, labels.w, attrs.alignCorners);

  let totalWeight = 0;
  for (const label of labels.dense()) {
    if (label !== ignore && label < classes) totalWeight += classWeights[label];
  }

  let totalLoss = 0;
  const z = new Float64Array(classes);
  const gz = new Float64Array(classes);
  glogits.fill(0);
  for (let n = 0; n < labels.n; n++) {
    for (let y = 0; y < labels.h; y++) {
      for (let x = 0; x < labels.w; x++) {
        const label = labels.data[labels.at(n, y, x)];
        if (label === ignore || label >= classes || totalWeight === 0) continue;
        const weight = classWeights[label];
        interpolate(logits, n, rows[y], columns[x], z);
        const largest = Math.max(...z);
        let sum = 0;
        for (let c = 0; c < classes; c++) sum += Math.exp(z[c] - largest);
        const logSum = largest + Math.log(sum);
        for (let c = 0; c < classes; c++) {
          const target = (c === label ? 1 - labelSmoothing : 0) + labelSmoothing / classes;
          totalLoss += weight * target * (logSum - z[c]);
          gz[c] = (weight * (Math.exp(z[c] - logSum) - target)) / totalWeight;
        }
        scatter(glogits, n, rows[y], columns[x], gz);
      }
    }
  }
  new View(arena, outputs.loss).assign([totalWeight === 0 ? 0 : totalLoss / totalWeight, totalWeight]);
};
