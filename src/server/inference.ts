import { z } from 'zod';
import { Problem } from './problem.js';
import type { Limits } from './settings.js';

/**
 * Requests and responses of the Open Inference Protocol v2: a JSON object, after which binary tensors may follow in
 * order (`binary_data_size` tells each one's bytes, the header `Inference-Header-Content-Length` those of the JSON).
 */
const size = z.number().int().min(0);
const inputSchema = z.object({
  name: z.string().max(100),
  datatype: z.string().max(20),
  shape: z.array(size).max(8),
  parameters: z.object({ binary_data_size: size.optional() }).loose().optional(),
  data: z.unknown().optional(),
});
const requestSchema = z.object({
  id: z.string().max(200).optional(),
  parameters: z.object({ binary_data_output: z.boolean().optional() }).loose().optional(),
  inputs: z.array(inputSchema).min(1).max(8),
  outputs: z
    .array(
      z.object({
        name: z.string().max(100),
        parameters: z.object({ binary_data: z.boolean().optional() }).loose().optional(),
      }),
    )
    .max(8)
    .optional(),
});

export interface InferenceRequest extends z.infer<typeof requestSchema> {
  /** What follows the JSON. */
  readonly binary: Uint8Array;
}

export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** JSON costs up to a hundred times its length in memory. */
const mostJson = 8 * 2 ** 20;

/** @param headerLength bytes of the JSON; absent: all. @throws Problem 400 for what is no request, 413 for too much JSON. */
export function parseInference(body: Uint8Array, headerLength: string | undefined): InferenceRequest {
  const length = headerLength === undefined ? body.length : Number(headerLength);
  if (!Number.isInteger(length) || length < 2 || length > body.length) {
    throw new Problem(400, `Inference-Header-Content-Length: expected 2 to ${body.length}`);
  }
  if (length > mostJson) {
    throw new Problem(413, `the JSON of a request may have ${mostJson} bytes; send tensors as binary data`);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, length)));
  } catch {
    throw new Problem(400, 'the request is no JSON; expected {"inputs": [...]}');
  }
  const parsed = requestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Problem(400, `${issue.path.join('.') || 'request'}: ${issue.message}`);
  }
  return { ...parsed.data, binary: body.subarray(length) };
}

/**
 * The tensor `images` of a request.
 * @returns shape `[N, H, W, 3]`; an image without N is one.
 * @throws Problem 400 where it is missing, of another type or shape, or its data do not fit; 413, 422 for sizes.
 */
export function inputTensor(
  request: InferenceRequest,
  { pixels, batch }: Limits,
): Tensor & {
  readonly shape: readonly [number, number, number, number];
} {
  const [input] = request.inputs;
  if (request.inputs.length !== 1 || input.name !== 'images' || input.datatype !== 'UINT8') {
    throw new Problem(400, 'inputs: expected one tensor, images, of UINT8');
  }
  const given = input.shape.length === 3 ? [1, ...input.shape] : input.shape;
  const [count, height, width, channels] = given;
  if (given.length !== 4 || channels !== 3 || count < 1 || Math.min(height, width) < 32) {
    throw new Problem(
      422,
      `images: shape ${input.shape.join('×')}; expected N×H×W×3 with at least 32×32 pixels`,
    );
  }
  if (count > batch) throw new Problem(413, `images: ${count} at a time, ${batch} are the most`);
  if (height * width > pixels)
    throw new Problem(413, `images: ${height}×${width} pixels, ${pixels} are the most`);
  const wanted = count * height * width * 3;
  const shape = [count, height, width, channels] as const;
  const bytes = input.parameters?.binary_data_size;
  if (bytes === undefined) return { name: input.name, shape, data: flat(input.data, wanted) };
  if (bytes !== wanted || request.binary.length !== wanted) {
    throw new Problem(
      400,
      `images: shape ${shape.join('×')} is ${wanted} bytes, but binary_data_size is ${bytes} and ${request.binary.length} follow`,
    );
  }
  return { name: input.name, shape, data: request.binary };
}

/** Numbers of a JSON tensor, nested in any way, to bytes. */
function flat(data: unknown, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  const visit = (value: unknown, depth: number): void => {
    if (Array.isArray(value) && depth < 5) {
      for (const item of value) visit(item, depth + 1);
    } else if (
      typeof value === 'number' &&
      Number.isInteger(value) &&
      value >= 0 &&
      value <= 255 &&
      at < length
    ) {
      bytes[at++] = value;
    } else {
      throw new Problem(400, `images: data must be ${length} whole numbers from 0 to 255`);
    }
  };
  visit(data, 0);
  if (at !== length) throw new Problem(400, `images: ${at} numbers in data, the shape says ${length}`);
  return bytes;
}

/** The response: tensors as JSON or binary, as each was asked for. @throws Problem 400 for an output that is not there. */
export function outputsOf(
  { id, outputs, parameters }: InferenceRequest,
  { name, version }: { readonly name: string; readonly version: string },
  tensors: readonly Tensor[],
): { bytes: Uint8Array<ArrayBuffer>; headers: Record<string, string> } {
  const asked = outputs ?? tensors.map((tensor) => ({ name: tensor.name, parameters: undefined }));
  const parts: Uint8Array[] = [];
  const described = asked.map((output) => {
    const tensor = tensors.find((candidate) => candidate.name === output.name);
    if (!tensor) {
      const known = tensors.map((candidate) => candidate.name).join(', ');
      throw new Problem(400, `outputs: no tensor '${output.name}' here; there are: ${known}`);
    }
    const head = { name: tensor.name, datatype: 'UINT8', shape: tensor.shape };
    if (!(output.parameters?.binary_data ?? parameters?.binary_data_output)) {
      return { ...head, data: Array.from(tensor.data) };
    }
    parts.push(tensor.data);
    return { ...head, parameters: { binary_data_size: tensor.data.length } };
  });
  const json = new TextEncoder().encode(
    JSON.stringify({ model_name: name, model_version: version, id, outputs: described }),
  );
  if (parts.length === 0) return { bytes: json, headers: { 'content-type': 'application/json' } };
  const bytes = new Uint8Array(json.length + parts.reduce((sum, part) => sum + part.length, 0));
  bytes.set(json);
  let at = json.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return {
    bytes,
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(json.length),
    },
  };
}
