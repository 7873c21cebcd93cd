import type { Value } from '../ir/value.js';
import type { ConvAttrs } from '../ops/conv.js';

/** Options of `Builder.conv`; numbers stand for both directions. */
export interface ConvOptions {
  readonly out: number;
  readonly kernel: number | readonly [number, number];
  /** Default 1. The result has `⌈n/stride⌉` pixels along each axis; see `sameSizePadding`. */
  readonly stride?: number;
  /** Default 1; of an asymmetric kernel, along its long side. */
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  readonly normalize?: ConvAttrs['normalize'];
  /** Standard deviation of the initial weights. Default: He's. */
  readonly deviation?: number;
}

/** Options of `Builder.convTranspose`; `height` and `width` are of the result, `stride` times the input or one less. */
export interface ConvTransposeOptions {
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly height: number;
  readonly width: number;
  readonly bias?: boolean;
}

/** What a batch norm may be followed by. */
export type Activation = 'prelu' | 'relu';

/** Logits of a side branch whose loss is added in training, `weight` times. */
export interface AuxiliaryLoss {
  readonly name: string;
  readonly logits: Value;
  readonly weight: number;
}
