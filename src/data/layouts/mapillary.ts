import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../../errors.js';
import { type ClassTable, classTable, readJson } from '../classes.js';
import { type LayoutKind, splitsOf } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';
import { pairUp } from './pairs.js';

const byte = z.number().int().min(0).max(255);
const config = z.object({
  labels: z
    .array(
      z.object({
        readable: z.string().min(1),
        color: z.tuple([byte, byte, byte]),
        evaluate: z.boolean(),
        instances: z.boolean().default(false),
      }),
    )
    .min(1)
    .max(255),
});

/** Newest first. */
const versions = ['v2.0', 'v1.2'];

/**
 * Mapillary Vistas: `training/images/NAME.jpg` with `training/v2.0/labels/NAME.png` (or `v1.2`, or `training/labels`).
 * The classes come from `config_v2.0.json`, which the data set has; those it does not evaluate are ignored.
 */
export const mapillary: LayoutKind = {
  name: 'mapillary',
  looks: 'training/images/ with training/v2.0/labels/',
  test: (root) =>
    isFolder(path.join(root, 'training', 'images')) && labelFolder(root, 'training') !== undefined,
  async open(root, { own }) {
    const folders = listNames(root, 'folders').filter((name) => isFolder(path.join(root, name, 'images')));
    const splits = splitsOf(folders);
    const labels = labelFolder(root, 'training')!;
    const at = (split: string, kind: string) => path.join(root, splits.get(split) ?? split, kind);
    return {
      classes: own ?? (await readConfig(root, labels.split(path.sep)[0])),
      splits: [...splits.keys()],
      list: (split) => pairUp(at(split, 'images'), at(split, labels)),
      imagesOf: (split) => at(split, 'images'),
      labelsOf: (split) => at(split, labels),
    };
  },
};

function labelFolder(root: string, split: string): string | undefined {
  const places = [...versions.map((version) => path.join(version, 'labels')), 'labels'];
  return places.find((place) => isFolder(path.join(root, split, place)));
}

async function readConfig(root: string, version: string): Promise<ClassTable> {
  const names = versions.includes(version) ? [`config_${version}.json`] : ['config.json', 'config_v1.2.json'];
  const file = names.map((name) => path.join(root, name)).find(isFile);
  if (!file) {
    throw new UserError(
      `${path.join(root, names[0])}: not found; it has the classes of Mapillary Vistas, copy it there`,
    );
  }
  const parsed = config.safeParse(await readJson(file, 1 << 22));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError(
      `${file}: "${issue.path.join('.')}": ${issue.message}; expected the file of Mapillary Vistas`,
    );
  }
  const labels = parsed.data.labels.map((label, raw) => ({
    ...label,
    name: label.readable,
    raw,
    colour: label.color,
  }));
  const ignored = labels.filter(({ evaluate }) => !evaluate).map(({ raw }) => raw);
  return classTable(
    'mapillary',
    labels.filter(({ evaluate }) => evaluate),
    ignored,
  );
}
