import { Command } from 'commander';
import { averageModels } from '../model/average.js';
import { readModel, writeModel } from '../model/file.js';
import { modelFile } from './model.js';

export function averageCommand(): Command {
  return new Command('average')
    .summary('one model from several that started from the same weights')
    .description(
      'Writes the mean of the weights of several models: of one training at several times, or of several trainings that ' +
        'started from one model (--init). The mean is often better than each, and costs what one costs. Statistics of batch ' +
        "normalisation are averaged too; 'vnet adapt' with the training images takes them anew.",
    )
    .argument('<models...>', 'run folders or model files, two or more')
    .requiredOption('--out <file>', 'the new model, .safetensors')
    .option('--f16', 'store float16: half the size')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet average runs/tuned-1 runs/tuned-2 runs/tuned-3 --out mean.safetensors\n' +
        '  vnet adapt --data my-data --split train --model mean.safetensors --out model.safetensors',
    )
    .action(run);
}

async function run(given: string[], { out, f16 }: { out: string; f16?: boolean }): Promise<void> {
  const files = given.map(modelFile);
  const models = await Promise.all(files.map(async (file) => ({ file, ...(await readModel(file)) })));
  const { info, weights } = averageModels(models);
  await writeModel(out, info, weights, f16 ? 'F16' : 'F32');
  process.stdout.write(`${out}: mean of ${models.length} models\n`);
}
