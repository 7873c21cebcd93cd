import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';

/** A network as the compiler sees it: a name, what rebuilds it, and how it is written down with the builder. */
export interface Network {
  readonly name: string;
  readonly classes: number;
  /** JSON that `networkFromConfig` turns back into this network; stored in checkpoints. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Whether its logits are resized with the corners aligned (see `ops/resize.ts`): the option of that name. */
  readonly alignCorners?: boolean;
  /** `images`: u8 `N×H×W×3`; returns logits `N×h×w×classes` at any resolution, resized bilinearly to `H×W` later. */
  build(b: Builder, images: Value): Value;
}
