import type { CallFor } from '../../../graph/planned.js';
import type { Capabilities } from './kernel.js';
import { matrixBytes, quadsOf } from './kernel.js';

type Call = CallFor<'conv2dGradWeight'>;

/** How one candidate cuts its work. */
export interface Cut {
  /** Register tile of an invocation, in quads: rows of the weight (four input channels of a tap) × output channels. */
  readonly tile: readonly [inputs: number, outputs: number];
  /** Invocations of a workgroup at most. */
  readonly invocations: number;
  /** Bytes of workgroup memory at most. */
  readonly bytes: number;
  /** Workgroups to fill the GPU with. */
  readonly workgroups: number;
}

/** One axis of what a workgroup stages of `x` for some neighbouring pixels of `gy`: pixel i under tap t is at `i·ofPixel + t·ofTap`. */
interface Axis {
  /** Pixels of `gy`. */
  readonly pixels: number;
  /** Places staged. */
  readonly places: number;
  readonly ofPixel: number;
  readonly ofTap: number;
  /** Coordinate in `x`, for place `at` of a tile that starts at pixel `first` of `gy`, as WGSL. */
  readonly source: (first: string, at: string) => string;
}

/** Quad q of place p is element `p·ofPlace + q·ofQuad`. */
interface Layout {
  readonly ofPlace: number;
  readonly ofQuad: number;
  readonly elements: number;
}

/** Invocations of one workgroup read neighbouring quads of a place, or of several splits neighbouring places. */
function layoutOf(places: number, quads: number, splits: number): Layout {
  if (splits === 1) return { ofPlace: quads, ofQuad: 1, elements: places * quads };
  // An odd distance spreads the planes over the banks.
  const plane = places | 1;
  return { ofPlace: 1, ofQuad: plane, elements: plane * quads };
}

/** The geometry of the first level: a workgroup owns a block of the weight and, one after the other, tiles of pixels. */
export interface Geometry {
  readonly taps: number;
  readonly fromQuads: number;
  readonly toQuads: number;
  /** Of the block: taps, quads of input channels, quads of output channels (with those beyond the last). */
  readonly blockTaps: number;
  readonly blockFrom: number;
  readonly blockTo: number;
  /** Blocks along each. */
  readonly blocks: { readonly taps: number; readonly from: number; readonly to: number };
  /** Invocations along rows and columns of the block, and along pixels. */
  readonly rows: number;
  readonly columns: number;
  readonly splits: number;
  readonly workgroupSize: number;
  readonly y: Axis;
  readonly x: Axis;
  /** Where quads lie in workgroup memory, of `x` and of `gy`. */
  readonly fromLayout: Layout;
  readonly toLayout: Layout;
  /** Elements of workgroup memory for `x`, and later for sums. */
  readonly staged: number;
  /** Instructions in all, roughly. */
  readonly cost: number;
  /** Tiles along an image's axes, and in all. */
  readonly tiles: { readonly y: number; readonly x: number; readonly all: number };
  /** Tiles that a workgroup goes through, and workgroups that share a block. */
  readonly chunkTiles: number;
  readonly chunks: number;
}

/** Quads of `x` that a workgroup stages for one place at most. */
const MAX_FROM = 32;
const MAX_COLUMNS = 16;
const TILE_ROWS = [1, 2, 4, 8];
const TILE_COLUMNS = [4, 8, 16, 32, 64];
const MAX_TILE = 256;
/** Partial sums of one call at most, bytes. */
const PARTIAL_BYTES = 18 << 20;

/** Rough cost of an invocation's instructions: staging one quad, and one tile besides. */
const STAGE_COST = 30;
const TILE_COST = 150;
/** A workgroup of fewer is no cheaper: it waits for memory alone. */
const FEW_INVOCATIONS = 128;

/** The two ways to stage an axis: every place from the first to the last, or each pixel's taps; the shorter one. */
function axisOf(pixels: number, taps: number, stride: number, dilation: number, padding: number): Axis {
  const span = (pixels - 1) * stride + (taps - 1) * dilation + 1;
  return span <= pixels * taps
    ? {
        ...{ pixels, places: span, ofPixel: stride, ofTap: dilation },
        source: (first, at) => `${first} * ${stride} + ${at} - ${padding}`,
      }
    : {
        ...{ pixels, places: pixels * taps, ofPixel: taps, ofTap: 1 },
        source: (first, at) =>
          `(${first} + ${at} / ${taps}) * ${stride} + ${at} % ${taps} * ${dilation} - ${padding}`,
      };
}

const powerBelow = (n: number): number => 2 ** Math.floor(Math.log2(n));

type Tile = Pick<Geometry, 'y' | 'x' | 'splits' | 'fromLayout' | 'toLayout' | 'staged' | 'cost'>;

/** The cheapest tile of pixels for a block of the weight, or none where no tile fits. */
function tileFor(
  { inputs: { gy }, attrs: { kernel, stride, dilation, padding } }: Call,
  { tile, invocations, bytes }: Cut,
  block: { rows: number; columns: number; from: number; to: number },
) {
  const [, height, width] = gy.shape;
  const lanes = block.rows * block.columns;
  const sums = 4 * tile[0] * tile[1];
  let found: Tile | undefined;
  let best = Number.POSITIVE_INFINITY;
  for (const h of TILE_ROWS) {
    for (const w of TILE_COLUMNS) {
      const pixels = h * w;
      const y = axisOf(h, kernel[0], stride[0], dilation[0], padding[0]);
      const x = axisOf(w, kernel[1], stride[1], dilation[1], padding[1]);
      const tiles = Math.ceil(height / h) * Math.ceil(width / w);
      const most = powerBelow(Math.min(Math.floor(invocations / lanes), pixels));
      for (let splits = most; splits >= 1; splits /= 2) {
        const size = lanes * splits;
        const fromLayout = layoutOf(y.places * x.places, block.from, splits);
        const toLayout = layoutOf(pixels, block.to, splits);
        const room = Math.floor(bytes / 16) - toLayout.elements;
        const staged = Math.max(fromLayout.elements, size * Math.min(sums, Math.floor(room / size)));
        if (pixels > MAX_TILE || staged > room || staged < size) continue;
        if (size < Math.max(block.from, block.to)) continue;
        const compute = (pixels / splits) * (4 * sums + 4 * (tile[0] + tile[1]));
        const stage = (STAGE_COST * (y.places * x.places * block.from + pixels * block.to)) / size;
        const cost = (compute + stage + TILE_COST) * Math.max(size, FEW_INVOCATIONS) * tiles;
        if (cost >= best) continue;
        best = cost;
        found = { y, x, splits, fromLayout, toLayout, staged, cost };
      }
    }
  }
  return found;
}

/** @returns none where the weight has more taps, or the adapter less memory, than the candidate can do with. */
export function geometryOf(call: Call, cut: Cut, { invocations, workgroupBytes }: Capabilities) {
  const { inputs, outputs, attrs } = call;
  const limits = {
    ...cut,
    invocations: Math.min(cut.invocations, invocations),
    bytes: Math.min(cut.bytes, workgroupBytes),
  };
  const taps = attrs.kernel[0] * attrs.kernel[1];
  const fromQuads = quadsOf(inputs.x.shape);
  const toQuads = quadsOf(outputs.gweight.shape);
  const [tileFrom, tileTo] = cut.tile;
  const toBlocks = Math.ceil(toQuads / (tileTo * MAX_COLUMNS));
  const columns = Math.ceil(toQuads / toBlocks / tileTo);
  const mostRows = tileFrom * Math.floor(limits.invocations / columns);
  for (let fromBlocks = Math.ceil(fromQuads / MAX_FROM); fromBlocks <= fromQuads; fromBlocks++) {
    const blockFrom = Math.ceil(fromQuads / fromBlocks);
    const tapBlocks = blockFrom === 1 ? Math.ceil(taps / mostRows) : 1;
    const blockTaps = Math.ceil(taps / tapBlocks);
    if (blockTaps * blockFrom > mostRows) continue;
    const rows = Math.ceil((blockTaps * blockFrom) / tileFrom);
    const found = tileFor(call, limits, { rows, columns, from: blockFrom, to: columns * tileTo });
    if (found)
      return chunked(call, cut, { ...found, taps, fromQuads, toQuads, blockFrom, blockTaps, rows, columns });
  }
  return undefined;
}

type Found = Omit<Geometry, 'blocks' | 'blockTo' | 'workgroupSize' | 'tiles' | 'chunkTiles' | 'chunks'>;

function chunked({ inputs: { gy, x: from } }: Call, { tile, workgroups }: Cut, found: Found): Geometry {
  const { taps, fromQuads, toQuads, blockFrom, blockTaps, rows, columns, splits, x, y } = found;
  const blockTo = columns * tile[1];
  const blocks = {
    taps: Math.ceil(taps / blockTaps),
    from: Math.ceil(fromQuads / blockFrom),
    to: Math.ceil(toQuads / blockTo),
  };
  const [images, height, width] = gy.shape;
  const across = { y: Math.ceil(height / y.pixels), x: Math.ceil(width / x.pixels) };
  const tiles = { ...across, all: images * across.y * across.x };
  const most = Math.max(1, Math.floor(PARTIAL_BYTES / matrixBytes(taps * from.shape[3], 4 * toQuads)));
  const wanted = Math.floor(workgroups / (blocks.taps * blocks.from * blocks.to));
  const chunkTiles = Math.ceil(tiles.all / Math.max(1, Math.min(wanted, most)));
  return {
    ...found,
    cost: found.cost * blocks.taps * blocks.from * blocks.to,
    ...{ blockTo, blocks, tiles, chunkTiles, chunks: Math.ceil(tiles.all / chunkTiles) },
    workgroupSize: rows * columns * splits,
  };
}
