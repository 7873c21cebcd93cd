import { directGather, fitsDirect } from './convDirect.js';
import { takesLines } from './convLines.js';
import type { Matrices, MatrixCut } from './convMatrix.js';
import { fitsMatrix, matricesOf, matrixGather } from './convMatrix.js';
import type { GatherParts } from './convParts.js';
import type { Runs } from './convRuns.js';
import { fitsRuns, runsGather } from './convRuns.js';
import type { Gather } from './convSource.js';
import type { TileCut } from './convTile.js';
import { fitsTile, tileGather } from './convTile.js';
import { tiledGather } from './convTiled.js';
import type { Candidate, Capabilities } from './kernel.js';

/** Cuts that were near the fastest on an H200 for one convolution or another. */
const runs: readonly Runs[] = [
  { pixels: 4, quads: 1, rows: 8, depth: 2, winograd: false },
  { pixels: 8, quads: 1, rows: 8, depth: 2, winograd: false },
  { pixels: 8, quads: 1, rows: 8, depth: 4, winograd: false },
  { pixels: 8, quads: 1, rows: 16, depth: 4, winograd: false },
  { pixels: 8, quads: 2, rows: 32, depth: 2, winograd: false },
  { pixels: 4, quads: 1, rows: 8, depth: 2, winograd: true },
  { pixels: 8, quads: 1, rows: 16, depth: 4, winograd: true },
];

const tileCuts: readonly TileCut[] = [
  { rows: 4, pixels: 2 },
  { rows: 4, pixels: 4 },
  { rows: 8, pixels: 2 },
  { rows: 8, pixels: 4 },
];

/** Rows of matrices of a workgroup, and subgroups that share them. */
const matrixCuts: readonly (readonly [rows: number, subgroups: number])[] = [
  [4, 4],
  [6, 6],
  [8, 4],
  [8, 8],
];

/** The ways to compute a convolution, or the gradient of its input. */
export function gatherCandidates(g: Gather, parts: GatherParts, able: Capabilities): Candidate[] {
  const direct = fitsDirect(g);
  const first: Candidate = direct
    ? { name: 'direct', lower: () => [directGather(g, parts)] }
    : { name: 'tiled', lower: () => [tiledGather(g, parts)] };
  const tiles = tileCuts
    .filter((cut) => fitsTile(g, cut, able))
    .map((cut) => ({
      name: `tile 32×${cut.rows * cut.pixels} by ${cut.pixels}`,
      lower: () => [tileGather(g, parts, cut)],
    }));
  if (!takesLines(g)) return [first, ...tiles];
  const half = Object.values(parts.tensors).some((ref) => ref?.dtype === 'f16');
  const matrices = half ? matricesOf(able) : undefined;
  return [
    first,
    ...tiles,
    ...(matrices ? matrixCandidates(g, parts, able, matrices) : []),
    ...runs
      .filter((cut) => fitsRuns(g, cut, able))
      .map((cut) => ({
        name: nameOf(cut),
        flops: runsFlops(g, cut),
        lower: () => [runsGather(g, parts, cut)],
      })),
  ];
}

/** F(4,3) makes four results of six products instead of twelve. */
const runsFlops = (g: Gather, { winograd }: Runs): number =>
  (2 * g.images * g.height * g.width * g.toChannels * g.fromChannels * g.taps[0] * g.taps[1]) /
  (winograd ? 2 : 1);

function matrixCandidates(
  g: Gather,
  parts: GatherParts,
  able: Capabilities,
  matrices: Matrices,
): Candidate[] {
  return matrixCuts
    .map(([rows, subgroups]): MatrixCut => ({ ...matrices, pixels: rows * matrices.side, subgroups }))
    .filter((cut) => fitsMatrix(g, cut, able))
    .map((cut) => ({
      name: `matrix ${cut.pixels}, ${cut.subgroups} subgroups`,
      lower: () => [matrixGather(g, parts, cut)],
    }));
}

const nameOf = ({ pixels, quads, rows, depth, winograd }: Runs): string =>
  `${winograd ? 'winograd' : 'runs'} ${pixels}×${4 * quads}, ${rows} by ${4 * depth}`;
