/** What may be asked of a stream's frames. The package's types reach this file: nothing of Node is named here. */

export interface DecodeOptions {
  /** Take this many frames a second; default: those that are there. */
  readonly fps?: number;
  /** Seconds from the beginning, to begin and end at. */
  readonly from?: number;
  readonly to?: number;
  /** Frames to leave out at the beginning, which were done before. */
  readonly skip?: number;
  /** High dynamic range, to be mapped to ordinary brightness. */
  readonly hdr?: boolean;
}

export interface FeedOptions extends DecodeOptions {
  readonly signal?: AbortSignal;
  /** Told of what happens to a live stream, one line each. */
  readonly onNotice?: (message: string) => void;
  /** Seconds without a frame after which a live stream counts as lost. Default 10. */
  readonly patience?: number;
}
