import path from 'node:path';
import * as v from 'valibot';
import { UserError } from '../../errors.js';
import { type ClassTable, classTable, readJson } from '../classes.js';
import { type LayoutKind, splitsOf } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';
import { pairUp } from './pairs.js';

const byte = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));
const label = v.object({
  readable: v.pipe(v.string(), v.minLength(1)),
  color: v.strictTuple([byte, byte, byte]),
  evaluate: v.boolean(),
  instances: v.optional(v.boolean(), false),
});
const config = v.object({ labels: v.pipe(v.array(label), v.minLength(1), v.maxLength(255)) });

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
  const parsed = v.safeParse(config, await readJson(file, 1 << 22));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new UserError(
      `${file}: "${v.getDotPath(issue) ?? ''}": ${issue.message}; expected the file of Mapillary Vistas`,
    );
  }
  const labels = parsed.output.labels.map((label, raw) => ({
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
