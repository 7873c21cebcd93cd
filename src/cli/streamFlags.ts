import type { DeviceFlags, PrecisionFlags } from './device.js';
import type { PixelSize } from './options.js';
import type { ViewFlags } from './views.js';

/** Flags of `vnet predict` for a stream. */
export interface StreamFlags extends ViewFlags, DeviceFlags, PrecisionFlags {
  readonly model: string;
  readonly net?: string;
  /** Absent where it was not given. */
  readonly out?: string;
  readonly alpha: number;
  readonly legend?: boolean;
  readonly overwrite?: boolean;
  readonly threads: number;
  readonly json?: boolean;
  readonly camera?: string;
  readonly labels?: string;
  readonly sideBySide?: boolean;
  readonly stats?: string;
  readonly every: number;
  readonly fps?: number;
  readonly from?: number;
  readonly to?: number;
  readonly smooth: number;
  readonly resume?: boolean;
  readonly raw?: PixelSize;
  readonly ffmpeg?: string;
}
