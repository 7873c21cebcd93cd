/** A file in a store, as its list has it. */
export interface StoredFile {
  /** Its whole address. */
  readonly file: string;
  readonly bytes: number;
  /** Something that is different where the bytes are. */
  readonly stamp: string;
}

/**
 * Files that lie on no disk of this machine, by their addresses. `data/files.ts` asks it for every name that is an
 * address, so that data sets, pictures and results may lie there. All methods throw `UserError`, one line that names the
 * file and what to do, where the store refuses or cannot be reached.
 */
export interface Storage {
  /** The files below a folder, sorted by name within each page; none where there is no such folder. */
  list(folder: string): AsyncIterable<StoredFile>;
  /** `undefined` where there is no such file. */
  stat(file: string): Promise<StoredFile | undefined>;
  /** @param most refuses more bytes before they are read. */
  read(file: string, most: number): Promise<Buffer>;
  /** The first bytes of a file, at most so many; `undefined` where there is none. */
  readStart(file: string, bytes: number): Promise<Buffer | undefined>;
  /** A reader sees the old bytes or all the new ones. */
  write(file: string, bytes: Uint8Array): Promise<void>;
}
