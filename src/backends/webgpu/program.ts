/// <reference types="@webgpu/types" />
import { UserError } from '../../errors.js';
import { formatShape } from '../../graph/ir.js';
import type { Call, Plan, TensorRef } from '../../graph/planned.js';
import type { Gpu } from './device.js';
import { firstLine } from './device.js';
import { lower } from './kernels/index.js';
import type { Dispatch } from './shader.js';
import { gridOf, shaderText, usesOf } from './shader.js';
import type { MemoryLimits, Piece } from './windows.js';
import { windowsOf } from './windows.js';

/** A dispatch bound to memory. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: readonly [number, number];
}

/** The steps of one call of the plan. */
export interface CallSteps {
  readonly call: Call;
  readonly steps: readonly Step[];
}

/** `conv2d stage2.v1.F.conv1 (4×256×512×32)`, as errors name a call. */
function describeCall(call: Call): string {
  const [first] = Object.values(call.outputs as Readonly<Record<string, TensorRef>>);
  return `${call.op} ${call.label} (${formatShape(first.shape)})`;
}

interface Shader {
  readonly text: string;
  readonly pieces: readonly Piece[];
  readonly dispatch: Dispatch;
}

function shaderOf(call: Call, dispatch: Dispatch, limits: MemoryLimits, arenaBytes: number): Shader {
  const uses = usesOf(dispatch);
  try {
    const windows = windowsOf(Object.values(uses), limits, arenaBytes);
    return {
      text: shaderText(dispatch, uses, windows),
      pieces: windows.flatMap(({ pieces }) => pieces),
      dispatch,
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      `webgpu: ${describeCall(call)} ${error.message}; use a smaller image or --device wasm`,
    );
  }
}

/**
 * Compiles the shaders of a plan, each different text once, and binds them to the arena.
 * Throws `UserError` that names the call whose shader the device refuses.
 */
export async function compileProgram(
  gpu: Gpu,
  plan: Plan,
  buffers: readonly GPUBuffer[],
  limits: MemoryLimits,
  arenaBytes: number,
): Promise<CallSteps[]> {
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();
  const pipelineOf = (call: Call, { text, pieces }: Shader): Promise<GPUComputePipeline> => {
    let pipeline = pipelines.get(text);
    if (!pipeline) {
      const module = gpu.device.createShaderModule({ code: text, label: call.op });
      pipeline = gpu.device
        .createComputePipelineAsync({
          label: `${call.op} ${call.label}`,
          layout: gpu.device.createPipelineLayout({ bindGroupLayouts: [gpu.bindLayout(pieces.length)] }),
          compute: { module, entryPoint: 'main' },
        })
        .catch(async (error: Error) => {
          const [message] = (await module.getCompilationInfo()).messages;
          const reason = message
            ? `${message.message} (line ${message.lineNum}: ${text.split('\n')[message.lineNum - 1]?.trim()})`
            : error.message;
          throw new UserError(`webgpu: ${gpu.name} refuses ${describeCall(call)}: ${firstLine(reason)}`);
        });
      pipelines.set(text, pipeline);
    }
    return pipeline;
  };
  return Promise.all(
    plan.calls.map(async (call) => ({
      call,
      steps: await Promise.all(
        lower(call).map(async (dispatch) => {
          const shader = shaderOf(call, dispatch, limits, arenaBytes);
          const pipeline = await pipelineOf(call, shader);
          const bindings = gpu.device.createBindGroup({
            layout: gpu.bindLayout(shader.pieces.length),
            entries: shader.pieces.map(({ buffer, offset, size }, binding) => ({
              binding,
              resource: { buffer: buffers[buffer], offset, size },
            })),
          });
          return { pipeline, bindings, grid: gridOf(dispatch) };
        }),
      ),
    })),
  );
}
