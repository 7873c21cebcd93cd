import type { CallFor } from '../../../graph/planned.js';
import { LOVASZ_BINS } from '../../../ops/lovasz.js';
import { binBytes } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { cut, scratchPointer } from '../stage.js';
import { bandArgs, bandsOf } from './lossBands.js';
import { softmaxLossArgs, softmaxLossBytes } from './softmaxLoss.js';

/** A loss over whole classes: errors are counted, every bin of them gets its weight, and pixels look it up. */
type Call = CallFor<'dice'> | CallFor<'lovasz'>;

/** Scratch: that of the bands, the weights by class and bin, the statistics of every chunk. */
function layout(call: Call, bins: number) {
  const { logits, labels } = call.inputs;
  const { chunks, scaling, bytes: table } = bandsOf(call);
  const cells = logits.shape[3] * bins;
  const statistics = table + Math.ceil((8 * cells) / 64) * 64;
  const rows = labels.shape[0] * labels.shape[1];
  const counting = cut(rows, 65536 / labels.shape[2] / logits.shape[3], 16);
  const statisticsBytes = cells * binBytes;
  const bytes = statistics + counting.chunks * statisticsBytes;
  return { chunks, scaling, table, statistics, counting, statisticsBytes, bytes };
}

const regionLoss = <K extends 'dice' | 'lovasz'>(bins: number, kernel: `${K}Table`): WasmKernel<K> => ({
  scratchBytes: (call) => layout(call as Call, bins).bytes,
  lower(given) {
    const call = given as Call;
    const scratch = scratchPointer(call);
    const { chunks, scaling, counting, table, statistics, statisticsBytes } = layout(call, bins);
    const shared = { ...softmaxLossArgs(call, bandArgs(call, scratch)), bins, table: scratch + table };
    const region = {
      ...{ ...shared, statistics: scratch + statistics, statisticsBytes },
      ...{ chunks: counting.chunks, rows: counting.span },
    };
    const args = { ...shared, classWeights: 0, gamma: 0, radius: 0, boundary: 0 };
    const localBytes = softmaxLossBytes(call);
    return [
      { kernel: 'regionErrors', chunks: counting.chunks, args: region, localBytes },
      { kernel, chunks: 1, args: region },
      { kernel: 'softmaxLoss', chunks, args, localBytes },
      { kernel: 'softmaxLossScale', chunks: scaling.chunks, args },
    ];
  },
});

export const dice = regionLoss<'dice'>(1, 'diceTable');
export const lovasz = regionLoss<'lovasz'>(LOVASZ_BINS, 'lovaszTable');
