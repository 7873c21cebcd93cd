export { affine } from './affine';
export { convDirect, convPackWeights } from './conv';
export { convGradWeight, convReduceWeights } from './convGradWeight';
