import path from 'node:path';
import { cityscapesClasses } from '../../data/layouts/cityscapes.js';
import type { Source } from '../../data/sources/source.js';
import { SubmissionZip, submissionName } from '../../data/submission.js';
import { UserError } from '../../errors.js';
import type { Model } from '../../model/model.js';
import { outputsFor } from '../../model/outputs.js';
import type { Writer } from './writer.js';

/** One zip of all images under their official names. Names and classes are checked before anything runs. */
export function submissionWriter(file: string, inputs: readonly Source[], { info }: Model): Writer {
  const { names, ignored = [] } = info.classes;
  const counted = names.filter((_, output) => !ignored.includes(output));
  if (counted.join() !== cityscapesClasses.names.join()) {
    throw new UserError(
      `\`submission: ${file}\`: the model has ${info.classes.names.length} ${info.classes.name} classes, the server scores the ${cityscapesClasses.names.length} of Cityscapes; use a model trained on Cityscapes`,
    );
  }
  const id = ({ name }: Source): string => path.basename(name).replace(/_leftImg8bit$/, '');
  for (const input of inputs) submissionName(id(input));
  const outputs = outputsFor(info.classes, cityscapesClasses, 'Cityscapes');
  const zip = new SubmissionZip(file);
  return {
    async add(input, { labels }) {
      const data = outputs ? labels.data.map((output) => outputs[output]) : labels.data;
      await zip.add(id(input), { ...labels, data });
      return { entry: submissionName(id(input)) };
    },
    finish: () => zip.finish(),
    abort: () => zip.abort(),
  };
}
