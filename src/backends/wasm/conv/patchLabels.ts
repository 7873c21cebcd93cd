/** A transposed convolution whose windows do not overlap, together with the labels of its logits: `kernels/conv/patchLabels.ts`. */
import type { Call, CallFor } from '../../../graph/planned.js';
import { blockPixels, sizes } from '../abi.js';
import { resizes } from '../lower/resize.js';
import type { Stage } from '../stage.js';
import { cut, pointer, scratchPointer } from '../stage.js';
import { memoryRange } from '../touches.js';
import { leastFlops, mostChunks, packedWeightBytes, packStage } from './direct.js';
import { inputArgs, octsOf } from './geometry.js';
import { isPatchwise, joined, patchConvs, vectorStages, vectorsBytes } from './patches.js';
import { convTouches, rowsOfSpan } from './touches.js';

type GradInput = CallFor<'conv2dGradInput'>;

interface PatchLabels {
  readonly first: GradInput;
  readonly second: CallFor<'resizeArgmax'>;
}

function patchLabelsOf(first: Call, second: Call): PatchLabels | undefined {
  if (first.op !== 'conv2dGradInput' || second.op !== 'resizeArgmax') return undefined;
  const fits =
    second.inputs.x.name === first.outputs.gx.name &&
    isPatchwise(first) &&
    !first.inputs.acc &&
    !resizes(second);
  return fits ? { first, second } : undefined;
}

/** Whether two calls can run as one kernel: the second gives the labels of the first's logits, which have their size. */
export const isPatchLabels = (first: Call, second: Call): boolean =>
  patchLabelsOf(first, second) !== undefined;

/** Stages of both calls; the logits are not written. */
export function patchLabelsStages(call: Call, next: Call): Stage[] {
  const { first, second } = patchLabelsOf(call, next)!;
  const { gy, weight } = first.inputs;
  const { labels } = second.outputs;
  const [patchRows, patchColumns, classes] = weight.shape;
  const at = scratchPointer(first);
  const weights = at + vectorsBytes(first);
  const convs = patchConvs(first, at);
  const weightStep = packedWeightBytes(convs[0].steps, 1, 1);
  const [images, height] = gy.shape;
  const { span, chunks } = cut(images * height, (leastFlops * images * height) / first.flops, mostChunks);
  const octBytes = 32 * octsOf(patchColumns * classes);
  const { bias, slope } = convs[0];
  const reach = { ...convs[0], y: joined(labels, patchColumns), step: [patchRows, 1] as const };
  const rows = rowsOfSpan(span, height);
  const reads = memoryRange(weights, patchRows * weightStep);
  const tops = convTouches(reach, [reads], rows);
  const bottoms = convTouches({ ...reach, origin: [patchRows - 1, 0] }, [reads], rows);
  return [
    ...vectorStages(first, at),
    ...convs.map((conv, i) => packStage(conv, weights + i * weightStep)),
    {
      kernel: 'convPatchLabels',
      chunks,
      // From the first row of the first patch to the last row of the last.
      touches: (chunk) => {
        const [top, bottom] = [tops(chunk), bottoms(chunk)];
        return { reads: top.reads, writes: [[top.writes[0][0], bottom.writes[0][1]]] };
      },
      localBytes: 2 * octBytes + sizes.PointBlock + blockPixels * octBytes,
      args: {
        input: inputArgs(gy, 1),
        ...{ span, classes, patchRows, patchColumns, weights, weightStep, octBytes },
        ...{ bias: pointer(bias), slope: pointer(slope), labels: pointer(labels) },
      },
    },
  ];
}
