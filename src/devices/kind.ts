import type { Backend } from '../backends/backend.js';
import type { ScratchRule } from '../graph/planned.js';

/** What a device is opened for. */
export type Work = 'inference' | 'everything';

/** One entry of the list of devices: its name, whether it is there, and what to say where it is not. */
export interface DeviceKind<Name extends string = string, B extends Backend = Backend> {
  readonly name: Name;
  /** Whether `auto` may take it; the first of the list that is there is taken. */
  readonly automatic: boolean;
  /** Whether one of several can be asked for by `gpu`. */
  readonly named: boolean;
  /**
   * Finds it without opening it. Only a real one, unless it is named.
   * @param work what it is opened for: of a device for inference, a browser fetches less.
   * @param must throw where there is none; otherwise the answer is `undefined`.
   * @throws UserError, one line with what was looked for, or that the name is unknown.
   */
  find(gpu: string | undefined, must: boolean, work?: Work): Promise<FoundDevice<B> | undefined>;
  /** The need of private memory per call, for plans that are only looked at. */
  scratchBytes(): Promise<ScratchRule>;
}

export interface FoundDevice<B extends Backend = Backend> {
  open(): Promise<B>;
}
