/**
 * A mistake or a limit that a person can act on: one line that names the file or option, what was expected and
 * what to do. Options stand in backticks, as code writes them: `` `batch: 0` ``, `` `device: 'wasm'` ``. The command line
 * prints `message` without a stack trace, with its flags in their place, and exits with `exitCode`.
 */
export class UserError extends Error {
  override readonly name = 'UserError';

  /** @param exitCode 1: the run failed; 2: bad usage (a wrong flag or argument). */
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A GPU that was lost or failed while it was in use: what it held is gone. */
export class DeviceError extends UserError {}

/** What was asked for needs more memory than there is; nothing was allocated for it. */
export class MemoryError extends UserError {
  constructor(
    message: string,
    /** Bytes that it needs. */
    readonly needed: number,
    /** Bytes that can be had, where that is known. */
    readonly usable?: number,
  ) {
    super(message);
  }
}
