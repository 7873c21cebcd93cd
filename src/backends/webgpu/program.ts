/// <reference types="@webgpu/types" />
import { UserError } from '../../errors.js';
import type { Call, Plan, TensorRef } from '../../graph/planned.js';
import { formatShape } from '../../ir/value.js';
import type { BackendOptions } from '../backend.js';
import type { Gpu } from './device.js';
import { bufferUsage, firstLine } from './device.js';
import type { Lowering } from './lowering.js';
import type { Dispatch, Shader } from './shader.js';
import { gridOf, shaderOf, usesOf } from './shader.js';
import type { MemoryLimits, Piece } from './windows.js';
import { windowsOf } from './windows.js';

/** A dispatch bound to memory. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: readonly [number, number];
}

/** The steps of one call of the plan; of two that are joined, all belong to the second. */
export interface CallSteps {
  readonly call: Call;
  readonly steps: readonly Step[];
  /** Steps of phase `prepare`, whatever the call's own: they make of constants what the others read. */
  readonly once: readonly Step[];
}

/** A plan's calls, ready to be encoded. */
export interface Program {
  readonly calls: readonly CallSteps[];
  /** Where each step's tensors start in their bindings. */
  readonly starts: GPUBuffer;
}

/** `conv2d stage2.v1.F.conv1 (4×256×512×32)`, as errors name a call. */
function describeCall(call: Call): string {
  const [first] = Object.values(call.outputs as Readonly<Record<string, TensorRef>>);
  return `${call.op} ${call.label} (${formatShape(first.shape)})`;
}

interface Bound extends Shader {
  readonly pieces: readonly Piece[];
  readonly dispatch: Dispatch;
}

function bind(call: Call, dispatch: Dispatch, limits: MemoryLimits, arenaBytes: number): Bound {
  const uses = usesOf(dispatch);
  try {
    const windows = windowsOf(Object.values(uses), limits, arenaBytes);
    return {
      ...shaderOf(dispatch, uses, windows),
      pieces: windows.flatMap(({ pieces }) => pieces),
      dispatch,
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      `webgpu: ${describeCall(call)} ${error.message}; use a smaller image or \`device: 'wasm'\``,
    );
  }
}

/** Where a step's starts begin in the buffer of all: uniform bindings start at multiples of this, in bytes. */
const UNIFORM_ALIGN = 256;

/** The pipeline of a shader; the GPU keeps it for every plan that needs the same text. */
function pipelineOf(gpu: Gpu, call: Call, { text, pieces }: Bound): Promise<GPUComputePipeline> {
  const { device, pipelines } = gpu;
  let pipeline = pipelines.get(text);
  if (!pipeline) {
    // What is wrong with the text is said by the pipeline, and the device stays good.
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code: text, label: call.op });
    pipeline = device
      .createComputePipelineAsync({
        label: `${call.op} ${call.label}`,
        layout: device.createPipelineLayout({ bindGroupLayouts: [gpu.bindLayout(pieces.length)] }),
        compute: { module, entryPoint: 'main' },
      })
      .catch(async (error: Error) => {
        await gpu.checkSoon();
        const { messages } = await module.getCompilationInfo();
        const message = messages.find(({ type }) => type === 'error');
        const reason = message
          ? `${message.message} (line ${message.lineNum}: ${text.split('\n')[message.lineNum - 1]?.trim()})`
          : error.message;
        throw new UserError(`webgpu: ${gpu.name} refuses ${describeCall(call)}: ${firstLine(reason)}`);
      });
    device.popErrorScope().catch(() => undefined);
    pipelines.set(text, pipeline);
  }
  return pipeline;
}

/**
 * Compiles the shaders of a plan, each different text once, and binds them to the arena.
 * Throws `UserError` that names the call whose shader the device refuses.
 */
export async function compileProgram(
  gpu: Gpu,
  plan: Pick<Plan, 'calls'>,
  buffers: readonly GPUBuffer[],
  limits: MemoryLimits,
  arenaBytes: number,
  lowering: Lowering,
  onProgress?: BackendOptions['onProgress'],
): Promise<Program> {
  const before = new Map<Call['phase'], Call>();
  const bound = plan.calls.map((call) => {
    const dispatches = lowering.lower(call, before.get(call.phase));
    before.set(call.phase, call);
    return { call, parts: dispatches.map((dispatch) => bind(call, dispatch, limits, arenaBytes)) };
  });
  const parts = bound.flatMap((entry) => entry.parts);
  const starts = gpu.device.createBuffer({
    size: Math.max(1, parts.length) * UNIFORM_ALIGN,
    usage: bufferUsage.uniform | bufferUsage.copyDestination,
  });
  const slotOf = new Map(parts.map((part, i) => [part, i * UNIFORM_ALIGN]));
  for (const [part, offset] of slotOf) gpu.device.queue.writeBuffer(starts, offset, part.starts);

  let ready = 0;
  const stepOf = async (call: Call, part: Bound): Promise<Step> => {
    const pipeline = await pipelineOf(gpu, call, part);
    onProgress?.(++ready, parts.length);
    const resources = [
      ...part.pieces.map(({ buffer, offset, size }) => ({ buffer: buffers[buffer], offset, size })),
      { buffer: starts, offset: slotOf.get(part), size: part.starts.byteLength },
    ];
    const bindings = gpu.device.createBindGroup({
      layout: gpu.bindLayout(part.pieces.length),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
    return { pipeline, bindings, grid: gridOf(part.dispatch) };
  };
  const calls = await Promise.all(
    bound.map(async ({ call, parts }) => {
      const stepsOf = (once: boolean) =>
        Promise.all(
          parts.filter(({ dispatch }) => (dispatch.once ?? false) === once).map((part) => stepOf(call, part)),
        );
      return { call, steps: await stepsOf(false), once: await stepsOf(true) };
    }),
  );
  return { calls, starts };
}

export function encode(pass: GPUComputePassEncoder, steps: readonly Step[]): void {
  for (const { pipeline, bindings, grid } of steps) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindings);
    pass.dispatchWorkgroups(grid[0], grid[1]);
  }
}
