import { statSync } from 'node:fs';
import { Command } from 'commander';
import { shippedName } from '../model/load.js';
import { formatBytes, formatCount, formatExact, formatScore } from '../report/format.js';
import pc from './colour.js';
import { openModel } from './model.js';
import { jsonOption } from './options.js';

export const infoCommand = (): Command =>
  new Command('info')
    .summary('what a model is and was trained for')
    .description('Checks a model file and prints its network, classes, training and size.')
    .argument('[model]', 'model file (.safetensors) or run folder', shippedName)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  vnet info runs/first/best.safetensors')
    .action(async (given: string, { json }: { json?: boolean }) => {
      const { model, file } = await openModel(given);
      const { network, classes, trained } = model.info;
      const parameters = [...model.weights]
        .filter(([name]) => !/\.(mean|variance)$/.test(name))
        .reduce((sum, [, data]) => sum + data.length, 0);
      const bytes = statSync(file).size;
      if (json) {
        const result = { file, bytes, parameters, network, classes, trained };
        process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
        return;
      }
      const score = trained.miou === undefined ? '' : `, validation mIoU ${formatScore(trained.miou)} %`;
      const config = Object.entries(network.config).filter(([name]) => name !== 'classes');
      const rows: [string, string][] = [
        ['file', `${file} (${formatBytes(bytes)})`],
        ['network', network.name],
        ['parameters', `${formatCount(parameters)} (${formatExact(parameters)})`],
        ['trained', `${trained.epoch} epochs, ${trained.step} steps${score}`],
        ['classes', `${classes.names.length}, ${classes.name}: ${classes.names.join(', ')}`],
        ...config.map(([name, value]): [string, string] => [name, JSON.stringify(value)]),
      ];
      process.stdout.write(
        `${rows.map(([name, value]) => `${pc.bold(name.padEnd(10))}  ${value}`).join('\n')}\n`,
      );
    });
