import { decode, encode } from 'fast-png';
import type { Files } from '../library.ts';
import { MemoryFiles, openOpfs } from '../library.ts';

export type Rgb = readonly [number, number, number];

/** A class of the page's own data set; its id is its place in the list. */
export interface OwnClass {
  readonly name: string;
  readonly colour: Rgb;
}

/** A picture with the class of each painted pixel; 255: not painted. */
export interface OwnPicture {
  readonly id: string;
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
  readonly mask: Uint8Array;
}

/** What people paint and train on. */
export interface Project {
  readonly classes: readonly OwnClass[];
  readonly pictures: readonly OwnPicture[];
}

export const unpainted = 255;
export const empty: Project = { classes: [], pictures: [] };

/** Colours that are told apart, also by people who do not see all of them alike (Okabe and Ito 2008, and darker ones). */
const palette: readonly Rgb[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
  [120, 94, 240],
  [100, 143, 60],
  [158, 62, 62],
  [70, 70, 70],
  [190, 190, 190],
];
export const colourOf = (place: number): Rgb => palette[place % palette.length];

/** Of all pixels, how many are painted, 0 to 1. */
export const paintedShare = ({ mask }: OwnPicture): number =>
  mask.reduce((sum, id) => sum + (id === unpainted ? 0 : 1), 0) / mask.length;

const listFile = 'project.json';
const imageFile = (id: string): string => `${id}.png`;
const maskFile = (id: string): string => `${id}_labels.png`;

interface List {
  readonly classes: readonly OwnClass[];
  readonly pictures: readonly { readonly id: string; readonly name: string }[];
}

const isList = (value: unknown): value is List => {
  const { classes, pictures } = (value ?? {}) as Partial<List>;
  return (
    Array.isArray(classes) &&
    classes.every(({ name, colour }) => typeof name === 'string' && Array.isArray(colour)) &&
    Array.isArray(pictures) &&
    pictures.every(({ id, name }) => typeof id === 'string' && typeof name === 'string')
  );
};

/** Keeps a project in the browser's own storage, so that it is there when the tab is opened again. */
export class ProjectStore {
  private constructor(
    private readonly files: Files,
    /** Whether it outlives the tab. */
    readonly stays: boolean,
  ) {}

  /** Where the browser keeps nothing, as in a private window, the tab does while it is open. */
  static async open(): Promise<ProjectStore> {
    const files = await openOpfs('project').catch(() => undefined);
    return new ProjectStore(files ?? new MemoryFiles(), files !== undefined);
  }

  /** What was kept; a picture that cannot be read any more is left out. */
  async load(): Promise<Project> {
    const bytes = await this.files.read(listFile);
    const list: unknown = bytes && JSON.parse(new TextDecoder().decode(bytes));
    if (!isList(list)) return empty;
    const pictures = await Promise.all(
      list.pictures.map(async ({ id, name }): Promise<OwnPicture[]> => {
        const [image, mask] = await Promise.all([
          this.files.read(imageFile(id)),
          this.files.read(maskFile(id)),
        ]);
        if (!image || !mask) return [];
        const { width, height, data } = decode(image);
        return [
          { id, name, width, height, rgb: new Uint8Array(data), mask: new Uint8Array(decode(mask).data) },
        ];
      }),
    );
    return { classes: list.classes, pictures: pictures.flat() };
  }

  saveList({ classes, pictures }: Project): Promise<void> {
    const list: List = { classes, pictures: pictures.map(({ id, name }) => ({ id, name })) };
    return this.files.write(listFile, new TextEncoder().encode(JSON.stringify(list)));
  }

  /** Asks the browser not to clear what is kept when its storage runs short; some ask people. */
  keep(): void {
    if (this.stays) navigator.storage.persist?.().catch(() => undefined);
  }

  async savePicture({ id, width, height, rgb }: OwnPicture): Promise<void> {
    await this.files.write(imageFile(id), new Uint8Array(encode({ width, height, data: rgb, channels: 3 })));
  }

  async saveMask({ id, width, height, mask }: OwnPicture): Promise<void> {
    await this.files.write(maskFile(id), new Uint8Array(encode({ width, height, data: mask, channels: 1 })));
  }

  async remove(id: string): Promise<void> {
    await this.files.remove(imageFile(id));
    await this.files.remove(maskFile(id));
  }
}
