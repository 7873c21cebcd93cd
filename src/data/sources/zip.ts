import yauzl from 'yauzl';
import { UserError } from '../../errors.js';
import { crc32 } from '../crc32.js';
import { isImageName } from '../dataset.js';
import { reason } from '../files.js';
import { type Archive, mostEntries, mostPictureBytes, placeInside, type Source } from './source.js';

/**
 * Lists the pictures in a zip; each is read when it is asked for.
 * @throws UserError naming the file where it is no zip, damaged, encrypted or lists too much.
 */
export async function openZip(file: string): Promise<Archive> {
  const zip = await new Promise<yauzl.ZipFile>((resolve, reject) => {
    yauzl.open(file, { lazyEntries: true, autoClose: false, validateEntrySizes: true }, (error, opened) =>
      error ? reject(unreadable(file, error)) : resolve(opened),
    );
  });
  try {
    const entries = await listEntries(zip, file);
    const pictures = entries.filter(({ fileName }) => isImageName(fileName) && !hidden(fileName));
    return {
      sources: pictures.map((entry) => sourceOf(zip, file, entry)),
      close: async () => zip.close(),
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** Names of Apple's forks and of hidden files. */
export const hidden = (name: string): boolean => /(^|[\\/])(\.|__MACOSX[\\/])/.test(name);

function listEntries(zip: yauzl.ZipFile, file: string): Promise<yauzl.Entry[]> {
  const entries: yauzl.Entry[] = [];
  return new Promise((resolve, reject) => {
    zip.on('entry', (entry: yauzl.Entry) => {
      entries.push(entry);
      if (entries.length > mostEntries)
        reject(unreadable(file, new Error(`it has more than ${mostEntries} parts`)));
      else zip.readEntry();
    });
    zip.on('end', () => resolve(entries));
    zip.on('error', (error: Error) => reject(unreadable(file, error)));
    zip.readEntry();
  });
}

function sourceOf(zip: yauzl.ZipFile, file: string, entry: yauzl.Entry): Source {
  const inside = placeInside(file, entry.fileName);
  return {
    ...inside,
    stamp: () => `${entry.uncompressedSize} ${entry.crc32}`,
    async read() {
      if (entry.uncompressedSize > mostPictureBytes) {
        throw unreadable(
          inside.file,
          new Error(`it has ${entry.uncompressedSize} bytes, at most ${mostPictureBytes} are read`),
        );
      }
      let bytes: Buffer;
      try {
        bytes = await readEntry(zip, entry);
      } catch (error) {
        throw unreadable(inside.file, error);
      }
      if (crc32(bytes) !== entry.crc32)
        throw unreadable(inside.file, new Error('its checksum is wrong: it is damaged'));
      return bytes;
    },
  };
}

function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error) {
        reject(error);
        return;
      }
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', reject);
      stream.on('end', () => resolve(Buffer.concat(parts)));
    });
  });
}

const unreadable = (file: string, error: unknown): UserError =>
  new UserError(`${file}: cannot be read (${reason(error)})`);
