/**
 * vnet-segmentation in a browser: the same {@link Segmenter}, networks, plans and kernels. Nothing here needs Node.
 *
 *     const segmenter = await Segmenter.load();
 *     const { areas, labels } = await segmenter.segment(document.querySelector('video'));
 *
 * Below that:
 *
 *     const device = await webgpu();
 *     const executor = await compile(vnet({ classes: 19 }), { mode: 'infer', device, batch: 1, height, width });
 *     executor.write('images', rgb);
 *     await executor.run('forward');
 *     const labels = await executor.read('prediction');
 */
import type { WebGpuBackend } from './backends/webgpu/info.js';
import { webgpu as kind } from './devices/navigator.js';

export * from './anywhere.js';
export { openOpfs } from './data/storage/opfs.js';

/**
 * The browser's GPU. @param name part of an adapter's name: takes it even where it is software.
 * @throws UserError where there is no WebGPU, or no GPU but software ones.
 */
export async function webgpu(name?: string): Promise<WebGpuBackend> {
  return (await kind.find(name, true))!.open();
}
