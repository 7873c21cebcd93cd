import path from 'node:path';
import type { Rgb } from '../data/classes.js';
import type { Dataset, Sample } from '../data/dataset.js';
import { isFile, readBytes } from '../data/files.js';
import { readSample } from '../data/read-sample.js';
import { ConfusionMatrix } from '../eval/confusion.js';
import { scoresOf } from '../eval/iou.js';
import type { PredictOptions } from '../eval/predict.js';
import { predictLabels } from '../eval/predict.js';
import type { Predictor } from '../eval/predictor.js';
import type { SampleImages } from './data.js';
import { labelsUri, photoUri } from './images.js';
import type { RunRecord } from './record.js';

/** Images shown of each kind. */
const shown = 3;

/** Which validation images a report shows: some spread over the split, and those with the lowest score. */
export function chooseSamples(
  run: Pick<RunRecord, 'images'>,
  samples: readonly Sample[],
): { samples: Sample[]; worst: Sample[] } {
  const spread = Array.from({ length: Math.min(shown, samples.length) }, (_, i, all = shown) => {
    return samples[Math.floor(((i + 0.5) * samples.length) / Math.min(all, samples.length))];
  });
  // No picture twice: the worst ones are those that are not shown already.
  const shownIds = new Set(spread.map(({ id }) => id));
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const worst = run.images
    .filter(({ id, miou }) => miou !== undefined && byId.has(id) && !shownIds.has(id))
    .sort((a, b) => a.miou! - b.miou!)
    .slice(0, samples.length > 2 * shown ? shown : 0)
    .map(({ id }) => byId.get(id)!);
  return { samples: spread, worst };
}

/** Predicts samples and pairs each with its input and truth. */
export async function predictedPictures(
  predictor: Predictor,
  dataset: Dataset,
  samples: readonly Sample[],
  options: PredictOptions,
): Promise<SampleImages[]> {
  const { colours, names } = dataset.classes;
  const pictures: SampleImages[] = [];
  for (const sample of samples) {
    const { image, labels } = await readSample(dataset, sample);
    const prediction = await predictLabels(predictor, image, options);
    const confusion = new ConfusionMatrix(names.length);
    confusion.add(labels.data, prediction.data);
    pictures.push({
      name: sample.id,
      miou: scoresOf(confusion).miou,
      image: await photoUri(image),
      prediction: await labelsUri(prediction, colours),
      truth: await labelsUri(labels, colours),
    });
  }
  return pictures;
}

/** What the last validation of a run that goes on has left in `samples/`: overlays, which cost no new prediction. */
export async function samplesSoFar(
  run: RunRecord,
  dataset: Dataset,
  samples: readonly Sample[],
): Promise<SampleImages[]> {
  const last = run.validations[run.validations.length - 1];
  if (!last) return [];
  const colours: readonly Rgb[] = dataset.classes.colours;
  const pictures: SampleImages[] = [];
  for (const sample of samples.slice(0, run.config.samples)) {
    const name = `epoch-${String(last.epoch + 1).padStart(4, '0')}-${path.basename(sample.id)}.jpg`;
    const file = path.join(run.folder, 'samples', name);
    if (!isFile(file)) continue;
    const { image, labels } = await readSample(dataset, sample);
    pictures.push({
      name: sample.id,
      miou: run.images.find(({ id }) => id === sample.id)?.miou,
      image: await photoUri(image),
      prediction: `data:image/jpeg;base64,${(await readBytes(file)).toString('base64')}`,
      truth: await labelsUri(labels, colours),
    });
  }
  return pictures;
}
