/** What people gave, by kind. */
export interface Given {
  readonly pictures: File[];
  readonly videos: File[];
  readonly models: File[];
}

export const isPicture = ({ name, type }: File): boolean =>
  type.startsWith('image/') || /\.(png|jpe?g|webp|gif|bmp|avif)$/i.test(name);
const isVideo = ({ name, type }: File): boolean =>
  type.startsWith('video/') || /\.(mp4|m4v|mov|webm|mkv|ogv)$/i.test(name);
const isModel = ({ name }: File): boolean => /\.safetensors$/i.test(name);

/** Sorts files by kind; what is none of them is left out. */
export function sorted(files: Iterable<File>): Given {
  const given: Given = { pictures: [], videos: [], models: [] };
  for (const file of files) {
    if (isModel(file)) given.models.push(file);
    else if (isVideo(file)) given.videos.push(file);
    else if (isPicture(file)) given.pictures.push(file);
  }
  given.pictures.sort((a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true }));
  return given;
}

/** With the folders it was picked from. */
export const nameOf = (file: File): string => file.webkitRelativePath || file.name;
