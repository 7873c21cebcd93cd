/** Two-dimensional Winograd F(4×4, 3×3): `kernels/conv/winograd2d.ts`. */
import type { ConvAttrs } from '../../../ops/conv.js';
import { lineBytes, planeBytes, tileBytes } from '../abi.js';
import type { Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import type { DirectConv, WeightSteps } from './direct.js';
import { inputArgs, outputArgs, quadsOf } from './geometry.js';

/** Of a strip: its columns fit in a line. */
const mostTiles = 32;
const coefficients = 36;

const leastChannels = 8;
/** Transformed weights are read anew for every strip: they should stay in a second-level cache or near it. */
const mostWeightBytes = 4 << 20;
/** Computed outputs per real one, at most. */
const mostWaste = 1.5;
/**
 * Tiles of an image worth transforming 36 weights for. Batch statistics over so few pixels also magnify the rounding error,
 * three times that of the direct form: the gradient of a whole small ICNet was off by 6 % where it is 1 % otherwise.
 */
const leastTiles = 16;
/** Floating-point operations, of the direct form, worth taking a chunk for. */
const leastFlops = 8e6;

const tilesAlong = (length: number): number => Math.ceil(length / 4);

/** Whether a convolution to outputs of height and width `size` is one of these. */
export function isWinograd2d(
  kernel: readonly [number, number],
  { stride, dilation, groups, normalize }: Pick<ConvAttrs, 'stride' | 'dilation' | 'groups' | 'normalize'>,
  channels: readonly [number, number],
  [height, width]: readonly [number, number],
): boolean {
  return (
    kernel[0] === 3 &&
    kernel[1] === 3 &&
    Math.max(...stride, ...dilation) === 1 &&
    groups === 1 &&
    !normalize &&
    Math.min(...channels) >= leastChannels &&
    winograd2dBytes({ inputs: channels[0], outputs: channels[1] }) <= mostWeightBytes &&
    tilesAlong(height) * tilesAlong(width) >= leastTiles &&
    16 * tilesAlong(height) * tilesAlong(width) <= mostWaste * height * width
  );
}

/** Bytes of transformed weights. */
export const winograd2dBytes = ({ inputs, outputs }: Pick<WeightSteps, 'inputs' | 'outputs'>): number =>
  coefficients * 64 * quadsOf(inputs) * quadsOf(outputs);

/**
 * Stages of the convolution; `packed`: address for `winograd2dBytes`. With `flipped` taps, the last one comes first.
 */
export function winograd2dStages(
  conv: Pick<DirectConv, 'x' | 'prologue' | 'y' | 'bias' | 'slope' | 'residual' | 'steps'>,
  padding: readonly [number, number],
  flipped: boolean,
  packed: number,
): Stage[] {
  const { x, prologue, y, steps } = conv;
  const { inputs, outputs, inputStep, outputStep, weight } = steps;
  const [images, height, width] = y.shape;
  const [inQuads, outQuads] = [quadsOf(inputs), quadsOf(outputs)];
  const weightBytes = winograd2dBytes(steps) / coefficients;
  const tapBytes = 4 * inputs * outputs;
  const way = flipped ? -1 : 1;
  const first = pointer(weight) + (flipped ? 8 * tapBytes : 0);
  const pack: Stage = {
    kernel: 'convPackWinograd2d',
    chunks: Math.ceil(outputs / 12),
    localBytes: 96,
    args: {
      ...{ w: first, tapStep: way * tapBytes, rowStep: way * 3 * tapBytes },
      ...{ inputStep: 4 * inputStep, outputStep: 4 * outputStep },
      ...{ inputs, outputs, packed, coefficientBytes: weightBytes },
    },
  };

  const ones = 16 * Math.max(inQuads, outQuads);
  const rows = 2 * ones;
  const columns = rows + 6 * inQuads * lineBytes;
  const tiles = columns + 6 * inQuads * lineBytes;
  const products = tiles + 6 * inQuads * tileBytes;
  const results = products + outQuads * planeBytes;
  const spare = results + 6 * outQuads * lineBytes;
  const total = images * tilesAlong(height);
  const { per, chunks } = cut(total, leastFlops / (8 * width * 9 * inputs * outputs), 128);
  const across = tilesAlong(width);
  const main: Stage = {
    kernel: 'convWinograd2d',
    chunks,
    localBytes: spare + 4 * mostTiles * 4 * y.pixelStride,
    args: {
      input: inputArgs(x, 1, prologue),
      output: outputArgs(conv),
      ...{ height, width, paddingY: padding[0], paddingX: padding[1] },
      ...{ perImage: tilesAlong(height), total, perChunk: per },
      strip: Math.ceil(across / Math.ceil(across / mostTiles)),
      ...{ weights: packed, weightBytes, rows, columns, tiles, products, results, ones, spare },
      table: Array.from({ length: inQuads }, (_, quad) => 6 * quad * tileBytes),
    },
  };
  return [pack, main];
}
