/// <reference types="@webgpu/types" />
import type { Gpu } from '../device.js';
import { bufferUsage } from '../device.js';
import type { Step } from '../program.js';

/**
 * A fixed amount of arithmetic, about a fifth of a millisecond on a large GPU at full clock. A GPU that has just waited
 * runs at a fraction of its clock (an H200 at a quarter): this makes it hurry, and its own time tells whether it does.
 */
export function spinOn(gpu: Gpu): Step {
  const { device } = gpu;
  const code = `
@group(0) @binding(0) var<storage, read_write> never: array<f32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = f32(id.x);
  for (var i = 0u; i < 100000u; i++) { x = fma(x, 0.999f, 0.5f); }
  if (x == -1f) { never[0] = x; }
}`;
  const pipeline = device.createComputePipeline({
    label: 'spin',
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const buffer = device.createBuffer({ size: 256, usage: bufferUsage.storage });
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  return { pipeline, bindings, grid: [256, 1] };
}
