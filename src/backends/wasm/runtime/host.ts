import type { Build } from './module.js';
import type { Request } from './worker.js';

/** The width of vectors, the pixels of a block, and what decided the width. */
export interface Vectors {
  readonly bits: 128 | 256;
  readonly pixels: 4 | 6;
  readonly why: string;
}

/** Asks the system for large pages for a memory that nothing has touched yet. */
export type AskLargePages = (memory: WebAssembly.Memory) => void;

/** What the backend needs of the place it runs in: `node.ts` and `browser.ts` have it. */
export interface Host {
  /** Threads that run side by side. */
  cores(): number;
  /** Bytes that memory has left, as far as is known. */
  usableBytes(): number;
  /** Whether the engine has fused multiply-adds. */
  hasRelaxedSimd(): boolean;
  /** Which vectors modules of a build run on; before it is loaded. */
  vectors(build: Build): Promise<Vectors>;
  loadModule(build: Build): Promise<WebAssembly.Module>;
  /** Undefined where one need not or cannot ask. */
  largePages?(): Promise<AskLargePages | undefined>;
  /**
   * Starts a worker thread, once it is clear that there are any.
   * @returns undefined where there are none, or none that share memory: the caller's thread does the work then.
   */
  threads(wanted: number | undefined): Promise<(() => Hand) | undefined>;
}

/** A worker thread as its pool sees it. */
export interface Hand {
  post(request: Request): void;
  /** Whom it tells from now on: answers, and that it is gone. Called again, the former is told nothing any more. */
  listen(reply: (message: unknown) => void, lost: (error: Error) => void): void;
  /** Whether it keeps the process alive. */
  hold(alive: boolean): void;
  end(): Promise<void>;
}
