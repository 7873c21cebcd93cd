import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../../errors.js';
import { readJson } from '../classes.js';
import { stem } from '../dataset.js';
import { isFile, reason } from '../files.js';
import { decodeRunLengths } from '../rle.js';
import { Canvas } from './canvas.js';
import { type AnnotationKind, type AnnotationSource, mostJsonBytes } from './source.js';

const id = z.union([z.number(), z.string()]);
const side = z.number().int().min(1).max(65535);
const rle = z.object({
  size: z.tuple([side, side]),
  counts: z.union([z.string(), z.array(z.number().int().min(0))]),
});
const file = z.object({
  images: z.array(z.object({ id, file_name: z.string().min(1), height: side, width: side })),
  categories: z.array(z.object({ id, name: z.string().min(1) })).min(1),
  annotations: z.array(
    z.object({
      image_id: id,
      category_id: id,
      area: z.number().optional(),
      segmentation: z.union([z.array(z.array(z.number())), rle]).optional(),
    }),
  ),
});
type Annotation = z.infer<typeof file>['annotations'][number];

/** COCO's `instances_*.json`: polygons and run lengths, compressed or not. Larger areas are painted first. */
export const coco: AnnotationKind = {
  name: 'coco',
  looks: 'a JSON file with "images", "categories" and "annotations" (COCO)',
  test: (source, start) => isFile(source) && source.endsWith('.json') && !/"shapes"\s*:/.test(start),
  async open(source, images): Promise<AnnotationSource> {
    const parsed = file.safeParse(await readJson(source, mostJsonBytes));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new UserError(
        `${source}: "${issue.path.join('.')}": ${issue.message}; expected COCO's annotations`,
      );
    }
    const { categories, annotations } = parsed.data;
    const names = new Map(categories.map((category) => [category.id, category.name]));
    const byImage = new Map<string | number, Annotation[]>();
    for (const annotation of annotations) {
      const list = byImage.get(annotation.image_id);
      if (list) list.push(annotation);
      else byImage.set(annotation.image_id, [annotation]);
    }
    const folders = images ? [images] : foldersOf(source);
    let skipped = 0;
    return {
      classes: [...new Set(names.values())],
      count: parsed.data.images.length,
      get skipped() {
        return skipped;
      },
      async *pictures() {
        for (const image of parsed.data.images) {
          const relative = inside(image.file_name);
          const found = folders
            .flatMap((folder) => [path.join(folder, relative), path.join(folder, path.basename(relative))])
            .find(isFile);
          if (!found) {
            yield { failed: `${image.file_name}: is not in ${folders.join(' or ')}` };
            continue;
          }
          yield {
            name: stem(relative),
            picture: { file: found },
            ending: path.extname(relative),
            async paint(toValue, background) {
              const canvas = new Canvas(`${source}: ${image.file_name}`, image, background);
              const figures = byImage.get(image.id) ?? [];
              for (const figure of [...figures].sort((a, b) => (b.area ?? 0) - (a.area ?? 0))) {
                const name = names.get(figure.category_id);
                if (name === undefined)
                  throw new UserError(`${source}: has no category ${figure.category_id}`);
                if (figure.segmentation === undefined) skipped++;
                else paint(canvas, figure.segmentation, toValue(name), source);
              }
              return canvas.labels;
            },
          };
        }
      },
    };
  },
};

function paint(
  canvas: Canvas,
  figure: NonNullable<Annotation['segmentation']>,
  value: number,
  source: string,
): void {
  // The parts of one figure are areas of their own: they do not cut holes into each other.
  if (Array.isArray(figure)) for (const ring of figure) canvas.polygon([ring], value);
  else {
    const { counts, size } = figure;
    try {
      canvas.runs(typeof counts === 'string' ? decodeRunLengths(counts) : counts, size, value);
    } catch (error) {
      throw error instanceof UserError ? error : new UserError(`${source}: ${reason(error)}`);
    }
  }
}

/** A name from the file as a path that stays in its folder. */
function inside(name: string): string {
  const parts = name.split(/[\\/]/).filter((part) => part !== '' && part !== '.' && part !== '..');
  return path.join(...(parts.length > 0 ? parts : ['unnamed']));
}

/** Where people keep the pictures: beside the file, or in a folder of its split beside that of annotations. */
function foldersOf(source: string): string[] {
  const here = path.dirname(source);
  const split = stem(path.basename(source)).replace(/^(instances|annotations|_annotations)[_.]?/, '');
  return [
    here,
    path.join(here, 'images'),
    path.join(here, '..', split),
    path.join(here, '..', 'images', split),
    path.join(here, '..', 'images'),
  ];
}
