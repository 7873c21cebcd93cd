import path from 'node:path';
import { stem } from '../dataset.js';
import { readBytes, stampOf } from '../files.js';

/** A picture to work on: a file, or a part of an archive. */
export interface Source {
  /** What messages call it: its path, or that of its archive and its name in there. */
  readonly file: string;
  /** The name its results get: its path below the folder or archive it was found in, without ending. */
  readonly name: string;
  /** Whether it is a file of its own, at the path {@link file}. */
  readonly plain: boolean;
  /** Something that is different where the bytes are. @throws where the file is gone. */
  stamp(): string;
  /** @throws UserError naming it where it cannot be read, is too large or damaged. */
  read(): Promise<Buffer>;
}

/** Largest picture file that is taken into memory. */
export const mostPictureBytes = 2 ** 29;
/** Parts of an archive that are listed. */
export const mostEntries = 1_000_000;

/** A file as a source. @param below its path below the folder it was found in. */
export function fileSource(file: string, below = path.basename(file)): Source {
  return {
    file,
    name: stem(below),
    plain: true,
    stamp: () => stampOf(file).stamp,
    read: () => readBytes(file, mostPictureBytes),
  };
}

/** An archive, listed; its sources can be read until it is closed. */
export interface Archive {
  readonly sources: readonly Source[];
  close(): Promise<void>;
}

/** The name of a part of an archive as a path that stays below where it is put. */
function nameInside(name: string): string {
  const parts = name.split(/[\\/]/).filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.join('/');
}

/** How a file of an archive is called. @param name as the archive has it. */
export function placeInside(archive: string, name: string): Pick<Source, 'file' | 'name' | 'plain'> {
  const inside = nameInside(name);
  return { file: path.join(archive, inside), name: stem(inside), plain: false };
}
