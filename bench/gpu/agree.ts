/**
 * How many labels of real pictures a GPU gives as CPU cores do in float32: the model in the box, each picture at its own
 * size. Exit code 1 below `--least`.
 *
 *     node build/bench/gpu/agree.js PICTURE... [--gpu NAME] [--precision f16|i8] [--take NAME]
 */
import { Command, Option } from 'commander';
import type { Backend, Executor } from '../../src/backends/backend.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { dawnGpus } from '../../src/backends/webgpu/dawn.js';
import { Choices, chooseAdapter, webgpuBackend } from '../../src/backends/webgpu/index.js';
import type { Precision } from '../../src/compile.js';
import { compileInference } from '../../src/compile.js';
import { readImage } from '../../src/data/image.js';
import { loadModel } from '../../src/index.js';

const command = new Command('bench:agree')
  .description('Counts the labels of pictures that a GPU gives as CPU cores do in float32.')
  .argument('<picture...>', 'of one size')
  .option('--gpu <name>', 'a GPU by part of its name')
  .addOption(new Option('--precision <name>', 'on the GPU').choices(['f32', 'f16', 'i8']).default('f16'))
  .option(
    '--take <name>',
    'this way of computing for every kernel that has it, as `devices --tune` names them',
  )
  .option('--least <percent>', 'of labels that must be equal', Number, 99.9)
  .addHelpText('after', "\nExample:\n  npm run bench:agree -- camvid/val/*.png --gpu 'RTX 4090'")
  .parse();
const flags = command.opts<{ gpu?: string; precision: Precision; take?: string; least: number }>();

const pictures = await Promise.all(
  command.args.map(async (file) => ({ file, image: await readImage(file) })),
);
const [{ image: first }] = pictures;
const other = pictures.find(({ image }) => image.width !== first.width || image.height !== first.height);
if (other)
  command.error(
    `error: ${other.file}: ${other.image.width}×${other.image.height} pixels, the first has ${first.width}×${first.height}`,
  );
const adapter = await chooseAdapter(dawnGpus, flags.gpu);
if (!adapter)
  command.error('error: no GPU: install its Vulkan driver, or name a software adapter with --gpu');

/** Says one name for every kernel. */
class Everywhere extends Choices {
  constructor(private readonly name: string) {
    super();
  }
  override of(): string {
    return this.name;
  }
}

const model = await loadModel('camvid');
async function prepared(backend: Backend, precision: Precision): Promise<Executor> {
  const { height, width } = first;
  const size = { batch: 1, height, width, precision, scratchBytes: backend.scratchBytes };
  const executor = await backend.prepare(compileInference(model.network, size));
  for (const [name, data] of model.weights) if (executor.plan.slots[name]) executor.write(name, data);
  await executor.run('prepare');
  return executor;
}
const choices = flags.take === undefined ? undefined : new Everywhere(flags.take);
const gpu = await webgpuBackend(adapter!, {}, choices);
const executors = [await prepared(wasmBackend, 'f32'), await prepared(gpu, flags.precision)];

let [equal, all] = [0, 0];
for (const { file, image } of pictures) {
  const labels = await Promise.all(
    executors.map(async (executor) => {
      executor.write('images', image.data);
      await executor.run('forward');
      return executor.read('prediction');
    }),
  );
  const same = Array.from(labels[0]).filter((label, i) => label === labels[1][i]).length;
  equal += same;
  all += labels[0].length;
  console.log(`${((100 * same) / labels[0].length).toFixed(3)} %  ${file}`);
}
const share = (100 * equal) / all;
console.log(`${share.toFixed(3)} % of ${all} labels equal: ${gpu.device}, ${flags.precision}`);
await Promise.all(executors.map((executor) => executor.dispose()));
process.exit(share >= flags.least ? 0 : 1);
