import { useState } from 'preact/hooks';

/** Makes an element take what is dropped on it: its handlers, and whether something hovers over it. */
export function useDrop(take: (files: File[]) => unknown) {
  const [over, setOver] = useState(false);
  const handlers = {
    onDragOver: (event: DragEvent) => {
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: (event: DragEvent) => {
      if (event.currentTarget === event.target) setOver(false);
    },
    onDrop: async (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) take(await filesOf(event.dataTransfer));
    },
  };
  return { over, handlers };
}

/** The files of a drop, folders walked. */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File | undefined>((resolve) => {
      (entry as FileSystemFileEntry).file(resolve, () => resolve(undefined));
    });
    return file ? [file] : [];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  // A reader gives a part at a time, and at last an empty one.
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve) => {
      reader.readEntries(resolve, () => resolve([]));
    });
    if (part.length === 0) return files;
    for (const child of part) files.push(...(await walk(child)));
  }
}
