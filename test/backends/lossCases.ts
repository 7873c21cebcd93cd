import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import { randomBytes, randomTensor } from './harness.js';
import { withoutEdges } from './lovaszEdges.js';
import type { Case } from './shapes.js';
import { between, image, maybe, vector } from './shapes.js';

/** Coarse logits and fine labels, of which one value beyond the classes is to be ignored too. */
function labelled(rng: Rng) {
  const logits = image(rng, between(rng, 2, 20));
  const labels: Shape = [logits[0], between(rng, logits[1], 20), between(rng, logits[2], 20), 1];
  return {
    logits: randomTensor(rng, logits, -4, 4),
    labels: randomBytes(rng, labels, logits[3] + 1, 255),
  };
}

/** The same, perhaps with a weight for each class. */
function weighted(rng: Rng) {
  const inputs = labelled(rng);
  const classes = vector(inputs.logits.shape[3]);
  return { ...inputs, classWeights: maybe(rng, () => randomTensor(rng, classes, 0.5, 3)) };
}

type Loss = 'crossEntropy' | 'focal' | 'dice' | 'lovasz' | 'hardLabels';

/** A random call of every loss. */
export const lossCases: { readonly [K in Loss]: (rng: Rng) => Case<K> } = {
  crossEntropy: (rng) => ({
    inputs: weighted(rng),
    attrs: { ignore: 255, labelSmoothing: rng.pick([0, 0.1]), alignCorners: rng.chance(0.5) },
  }),
  focal(rng) {
    const inputs = weighted(rng);
    const boundary = rng.pick([
      { radius: 0, boundary: 0 },
      { radius: 1, boundary: 2 },
      { radius: 3, boundary: 0.5 },
    ]);
    const gamma = rng.pick([0, 1, 2, 0.5, 3.7]);
    return { inputs, attrs: { ignore: 255, gamma, ...boundary, alignCorners: rng.chance(0.5) } };
  },
  dice: (rng) => ({ inputs: labelled(rng), attrs: { ignore: 255, alignCorners: rng.chance(0.5) } }),
  lovasz(rng) {
    const inputs = labelled(rng);
    const alignCorners = rng.chance(0.5);
    withoutEdges(inputs, alignCorners);
    return { inputs, attrs: { ignore: 255, alignCorners } };
  },
  hardLabels: (rng) => ({
    inputs: labelled(rng),
    attrs: { ignore: 255, threshold: rng.pick([0.1, 0.7, 1]), least: rng.pick([0, 0.05, 0.5]) },
  }),
};
