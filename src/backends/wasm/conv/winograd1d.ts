/**
 * Winograd F(4, 3) along one direction, and F(3, 4) for the weight gradient: `kernels/conv/winograd1d.ts`, and
 * `kernels/conv/winograd1dRows.ts` for 3×3 taps.
 */
import type { Placed, TensorRef } from '../../../graph/planned.js';
import type { Prologue } from '../../../ops/op.js';
import type { Rows, Span, Tiles } from '../abi.js';
import { i16PlaneBytes, planeBytes, sizes, tilesPerBlock } from '../abi.js';
import type { Pieces, Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import type { RowOf } from '../touches.js';
import { memoryRange, wholeRanges } from '../touches.js';
import type { DirectConv, WeightSteps } from './direct.js';
import { inputArgs, octsOf, outputArgs, quadsOf, quadTable } from './geometry.js';
import { convTouches, imagesOfSpan, rowsOfSpan } from './touches.js';

/** Outputs of a tile, and multiplications per pair of channels. */
export const tileOutputs = 4;
export const coefficients = 6;
/** Three taps in one direction: `axis` 0 below each other, 1 side by side. */
export interface WinogradForm {
  readonly axis: 0 | 1;
  /** Three lines of three taps side by side. */
  readonly rows?: { readonly dilation: number; readonly padding: number };
  readonly dilation: number;
  /** Zeros before the first input along the axis. */
  readonly padding: number;
  /** Products of 16-bit integers: `kernels/conv/i16.ts`. */
  readonly i16?: boolean;
}

const linesOf = ({ rows }: WinogradForm): number => (rows ? 3 : 1);

export const tilesAlong = (length: number, dilation: number): number =>
  dilation * Math.ceil(length / (tileOutputs * dilation));

/** Bytes of transformed weights, and of one chunk's sums of their gradient. */
export const winogradBytes = (form: WinogradForm, { inputs, outputs }: Channels): number =>
  coefficients * 128 * linesOf(form) * quadsOf(inputs) * octsOf(outputs);

/** Tiles that cover `y`, cut into chunks of whole blocks; or its rows. */
function winogradPieces(form: WinogradForm, y: TensorRef, channels: Channels, most: number): Pieces {
  const { inputs, outputs } = channels;
  const flopsPerTile = 2 * 3 * linesOf(form) * tileOutputs * inputs * outputs;
  if (form.rows) {
    const flopsPerRow = flopsPerTile * tilesAlong(y.shape[2], form.dilation);
    return cut(y.shape[0] * y.shape[1], Math.max(leastRows, leastFlops / flopsPerRow), most);
  }
  const leastBlocks = leastFlops / (flopsPerTile * tilesPerBlock);
  const count = totalTiles(form, y);
  const { span, chunks } = cut(Math.ceil(count / tilesPerBlock), leastBlocks, most);
  return { span: { count, perChunk: span.perChunk * tilesPerBlock }, chunks };
}

/** Floating-point operations, of the direct form, worth taking a chunk for. */
export const leastFlops = 4e6;
/** Partial sums worth taking a chunk of their reduction for. */
const leastReduced = 2 ** 17;
/** Rows worth transforming two more for. */
const leastRows = 8;
export const mostChunks = 128;

const totalTiles = ({ axis, dilation }: WinogradForm, y: TensorRef): number =>
  y.shape[0] * y.shape[2 - axis] * tilesAlong(y.shape[1 + axis], dilation);

export interface Channels {
  readonly inputs: number;
  readonly outputs: number;
}

/** Parts of the private memory of the kernels that work on tiles, and how much it is. */
interface TileLocals {
  readonly parts: Pick<Tiles, 'ones' | 'pixels' | 'places' | 'inputs' | 'products'>;
  readonly bytes: number;
}

/** Octs of channels on either side, the most where several convolutions share the memory; `lines`: of inputs. */
export function tileLocals(inOcts: number, outOcts: number, lines: number): TileLocals {
  const ones = 32 * Math.max(inOcts, outOcts);
  const pixels = 2 * ones;
  const places = pixels + 6 * 32 * inOcts;
  const inputs = places + sizes.Place * tilesPerBlock;
  const products = inputs + lines * inOcts * planeBytes;
  return { parts: { ones, pixels, places, inputs, products }, bytes: products + outOcts * planeBytes };
}

/** `weights`: address, and bytes of a coefficient; `table`: where the input planes lie. */
export function tileArgs(
  { axis, dilation, padding }: WinogradForm,
  y: TensorRef,
  weights: readonly [address: number, bytes: number],
  locals: TileLocals,
  table: readonly number[],
): Tiles {
  const length = y.shape[1 + axis];
  return {
    ...{ vertical: 1 - axis, dilation, padding, length, along: tilesAlong(length, dilation) },
    ...{ across: y.shape[2 - axis], weights: weights[0], weightBytes: weights[1], ...locals.parts, table },
  };
}

/** Whole blocks of pixels, of four and of six. */
const stripUnit = 12;

/** Tiles or columns in a strip, where `count` of them are cut into strips that fit the kernels' blocks. */
export const stripOf = (count: number, most: number = tilesPerBlock): number =>
  stripUnit * Math.ceil(count / Math.ceil(count / most) / stripUnit);

/** What the kernels of one form share; `weights`: address, and bytes as the kernel says. */
function tileStage(
  form: WinogradForm,
  y: TensorRef,
  { inputs, outputs }: Channels,
  weights: readonly [address: number, bytes: number],
): { readonly localBytes: number; readonly tiles: Tiles; readonly rows?: Rows } {
  const lines = linesOf(form);
  const locals = tileLocals(octsOf(inputs), octsOf(outputs), lines);
  const table = Array.from({ length: lines }, (_, turn) => planeTable(form, turn, inputs)).flat();
  const tiles = tileArgs(form, y, weights, locals, table);
  if (!form.rows) return { localBytes: locals.bytes, tiles };
  const strip = stripOf(tilesAlong(y.shape[1 + form.axis], form.dilation));
  return { localBytes: locals.bytes, tiles, rows: { perImage: y.shape[1], ...form.rows, strip } };
}

/** Where each line's each quad of inputs is (`i16`: eight), when the first line is the ring's `turn`-th. */
export function planeTable(form: WinogradForm, turn: number, inputs: number): number[] {
  if (form.i16) return Array.from({ length: octsOf(inputs) }, (_, oct) => oct * i16PlaneBytes);
  const lines = linesOf(form);
  return Array.from({ length: lines }, (_, line) => {
    const first = ((turn + line) % lines) * octsOf(inputs) * planeBytes;
    return quadTable(inputs, planeBytes).map((quad) => first + quad);
  }).flat();
}

/** Rows of outputs of a chunk. */
function rowsOfChunks(
  form: WinogradForm,
  y: TensorRef,
  span: Span,
): (chunk: number) => readonly [RowOf, RowOf] {
  const [, height, width] = y.shape;
  const { axis, dilation, rows } = form;
  if (rows) return rows.dilation === 1 ? rowsOfSpan(span, height) : imagesOfSpan(span, height, height);
  if (axis === 0) return imagesOfSpan(span, width * tilesAlong(height, dilation), height);
  // Tiles lie in rows, which chunks may share.
  const along = tilesAlong(width, dilation);
  return (chunk) => {
    const rowOf = (tile: number): RowOf => {
      const row = Math.floor(tile / along);
      return [Math.floor(row / height), row % height];
    };
    return [rowOf(chunk * span.perChunk), rowOf(Math.min(span.count, (chunk + 1) * span.perChunk) - 1)];
  };
}

/** A convolution that has the form; `packed`: weights as `packStage` leaves them. */
export function winogradStage(form: WinogradForm, conv: DirectConv, packed: number): Stage {
  const { x, prologue, y, steps } = conv;
  const bytes = winogradBytes(form, steps);
  const { span, chunks } = winogradPieces(form, y, steps, mostChunks);
  const { localBytes, tiles, rows } = tileStage(form, y, steps, [packed, bytes / coefficients]);
  const args = { input: inputArgs(x, 1, prologue), output: outputArgs(conv), tiles, span };
  const touches = convTouches(conv, [memoryRange(packed, bytes)], rowsOfChunks(form, y, span));
  const shared = { chunks, localBytes, touches };
  return rows
    ? { kernel: 'convWinograd1dRows', ...shared, args: { ...args, rows } }
    : { kernel: form.i16 ? 'convWinograd1dI16' : 'convWinograd1d', ...shared, args };
}

/** Transforms the weights to `packed`; with `flipped` taps, the last one comes first. */
export function packStage(form: WinogradForm, steps: WeightSteps, flipped: boolean, packed: number): Stage {
  const { inputs, outputs, inputStep, outputStep, weight } = steps;
  const tapBytes = 4 * inputs * outputs;
  const coefficientBytes = winogradBytes(form, steps) / coefficients;
  const touches = () => ({
    reads: wholeRanges(weight),
    writes: [memoryRange(packed, coefficients * coefficientBytes)],
  });
  if (form.i16) {
    const w = { w: pointer(weight), tapStep: tapBytes, inputStep: 4 * inputStep };
    const args = { ...w, inputs, outputs, packed, coefficientBytes };
    return { kernel: 'convPackWinograd1dI16', chunks: octsOf(outputs), touches, args };
  }
  const lines = linesOf(form);
  const way = flipped ? -1 : 1;
  const first = flipped ? 3 * lines - 1 : 0;
  return {
    kernel: 'convPackWinograd1d',
    chunks: octsOf(outputs),
    touches,
    args: {
      ...{ w: pointer(weight) + first * tapBytes, tapStep: way * tapBytes },
      ...{ inputStep: 4 * inputStep, outputStep: 4 * outputStep, inputs, outputs },
      ...{ packed, coefficientBytes, lines, lineStep: way * 3 * tapBytes },
    },
  };
}

/** Chunks of a weight gradient; the partial sums of `mostBytes` bound their number. */
export function winogradGradPieces(
  form: WinogradForm,
  gy: TensorRef,
  channels: Channels,
  mostBytes: number,
): Pieces {
  const most = Math.max(1, Math.floor(mostBytes / winogradBytes(form, channels)));
  return winogradPieces(form, gy, channels, Math.min(32, most));
}

/** Stages of a weight gradient that has the form; `partials`: address for `winogradBytes` per chunk. */
export function winogradGradStages(
  form: WinogradForm,
  pieces: Pieces,
  { x, gy, ...prologue }: { readonly x: TensorRef; readonly gy: TensorRef } & Placed<Prologue>,
  gweight: TensorRef,
  partials: number,
): Stage[] {
  const [, , inputs, outputs] = gweight.shape;
  const channels = { inputs, outputs };
  const bytes = winogradBytes(form, channels);
  const { span, chunks } = pieces;
  const { localBytes, tiles, rows } = tileStage(form, gy, channels, [partials, bytes]);
  const args = { input: inputArgs(x, 1, prologue), gradient: inputArgs(gy, 1), tiles, span };
  const reduced = cut(linesOf(form) * inputs, leastReduced / (chunks * coefficients * outputs));
  return [
    rows
      ? { kernel: 'convGradWeightWinograd1dRows', chunks, localBytes, args: { ...args, rows } }
      : { kernel: 'convGradWeightWinograd1d', chunks, localBytes, args },
    {
      kernel: 'convReduceWinograd1d',
      chunks: reduced.chunks,
      localBytes: 32,
      args: {
        partials,
        partialBytes: bytes,
        chunks,
        inputs,
        outputs,
        gw: pointer(gweight),
        span: reduced.span,
      },
    },
  ];
}
