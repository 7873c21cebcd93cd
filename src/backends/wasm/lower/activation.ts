import type { WasmKernel } from '../stage.js';
import { cutPixels, pixelsOf, pointer, scratchPointer, strided } from '../stage.js';
import { joinPartials, partialsOver } from './sums.js';

export const prelu: WasmKernel<'prelu'> = {
  lower({ inputs: { x, slope }, outputs: { y } }) {
    const { per, chunks } = cutPixels(y);
    return [
      {
        kernel: 'prelu',
        chunks,
        args: [...strided(x), pointer(slope), ...strided(y), y.shape[3], pixelsOf(y), per],
      },
    ];
  },
};

export const preluGrad: WasmKernel<'preluGrad'> = {
  scratchBytes: ({ inputs: { x } }) => partialsOver(x, 1).bytes,
  lower(call) {
    const { x, slope, gy } = call.inputs;
    const { gx, gslope } = call.outputs;
    const partials = partialsOver(x, 1);
    const { per, chunks, blockBytes } = partials;
    const at = scratchPointer(call);
    const channels = x.shape[3];
    return [
      {
        kernel: 'preluGrad',
        chunks,
        args: [
          ...[...strided(x), ...strided(gy), ...strided(gx), pointer(slope)],
          ...[channels, pixelsOf(x), per, at, blockBytes],
        ],
      },
      joinPartials(partials, at, channels, gslope),
    ];
  },
};
