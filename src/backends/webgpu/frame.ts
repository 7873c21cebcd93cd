/// <reference types="@webgpu/types" />
import type { FrameLook, FrameSource } from '../frame.js';
import { canvasOfAnotherKind, pictureOfAnotherOrigin } from '../frame.js';

/** A tensor of bytes in a buffer. */
export interface BytesPlace {
  readonly buffer: GPUBuffer;
  /** Bytes from the buffer's start, a multiple of 4, and how many. */
  readonly offset: number;
  readonly size: number;
}

interface Bound {
  readonly resource: GPUBufferBinding;
  /** Words before the tensor in what is bound. */
  readonly skip: number;
}

/** `TEXTURE_BINDING | COPY_DST | RENDER_ATTACHMENT`, `STORAGE | COPY_DST`. */
const textureUsage = 0x04 | 0x02 | 0x10;
const coloursUsage = 0x80 | 0x08;
const group = 64;

/**
 * A picture on its way through the GPU: drawn into the bytes that the network reads, and drawn under its classes on a
 * canvas. Of a video, the browser's own texture is read; nothing crosses to the CPU.
 */
export class FrameShaders {
  private readonly sampler: GPUSampler;
  private readonly colours: GPUBuffer;
  private readonly pipelines = new Map<string, { take: GPUComputePipeline; draw: GPURenderPipeline }>();
  private texture: GPUTexture | undefined;

  constructor(
    private readonly device: GPUDevice,
    private readonly images: BytesPlace,
    private readonly labels: BytesPlace,
    private readonly size: { readonly height: number; readonly width: number },
  ) {
    this.sampler = device.createSampler({ magFilter: 'linear', minFilter: 'linear' });
    // 256 colours, the opacity, and whether the picture is drawn.
    this.colours = device.createBuffer({ size: 4 * 260, usage: coloursUsage });
  }

  /** Bytes allocated on the GPU. */
  get bytes(): number {
    const { width, height } = this.texture ?? { width: 0, height: 0 };
    return this.colours.size + 4 * width * height;
  }

  /**
   * Writes a frame into the network's input, runs it, and draws the frame with its classes.
   * @param run queues the network; called when the input is queued. What is queued in it comes before the drawing.
   */
  async show(source: FrameSource, look: FrameLook, run: () => Promise<void>): Promise<void> {
    const { device } = this;
    const context = look.canvas.getContext('webgpu') as GPUCanvasContext | null;
    if (!context) throw canvasOfAnotherKind();
    const format = navigator.gpu.getPreferredCanvasFormat();
    const alphaMode = look.under ? 'opaque' : 'premultiplied';
    const known = context.getConfiguration?.();
    if (known?.device !== device || known.alphaMode !== alphaMode) {
      context.configure({ device, format, alphaMode });
    }
    const imported = this.imported(source);
    const picture = imported ?? (await this.copied(source));
    const { take, draw } = this.pipelinesFor(imported !== undefined, format);
    device.queue.writeBuffer(this.colours, 0, look.colours);
    device.queue.writeBuffer(this.colours, 1024, Float32Array.of(look.opacity, look.under ? 1 : 0));

    // An imported texture ends with this task: nothing is waited for until all is queued.
    const before = device.createCommandEncoder();
    const pass = before.beginComputePass();
    pass.setPipeline(take);
    pass.setBindGroup(0, this.bind(take, picture, this.bound(this.images).resource));
    pass.dispatchWorkgroups(Math.ceil((this.size.width * this.size.height) / (4 * group)));
    pass.end();
    device.queue.submit([before.finish()]);
    const ran = run();
    const after = device.createCommandEncoder();
    const view = context.getCurrentTexture().createView();
    const drawing = after.beginRenderPass({
      colorAttachments: [{ view, loadOp: 'clear', storeOp: 'store' }],
    });
    drawing.setPipeline(draw);
    drawing.setBindGroup(
      0,
      this.bind(draw, picture, this.bound(this.labels).resource, { buffer: this.colours }),
    );
    drawing.draw(3);
    drawing.end();
    device.queue.submit([after.finish()]);
    await ran;
  }

  dispose(): void {
    this.colours.destroy();
    this.texture?.destroy();
  }

  /** A video's own texture, for this task; undefined for what is none, and for one that the browser cannot hand over. */
  private imported(source: FrameSource): GPUExternalTexture | undefined {
    if (!(isOf('HTMLVideoElement', source) || isOf('VideoFrame', source))) return undefined;
    try {
      return this.device.importExternalTexture({ source: source as HTMLVideoElement | VideoFrame });
    } catch (error) {
      return passed(error);
    }
  }

  /** The browser copies it into a texture, on the GPU where it lies there; by way of a bitmap where it cannot. */
  private async copied(source: FrameSource): Promise<GPUTextureView> {
    const { device } = this;
    const sides = source as Partial<HTMLImageElement & HTMLVideoElement & VideoFrame>;
    const width = sides.naturalWidth ?? sides.videoWidth ?? sides.displayWidth ?? sides.width!;
    const height = sides.naturalHeight ?? sides.videoHeight ?? sides.displayHeight ?? sides.height!;
    if (this.texture?.width !== width || this.texture.height !== height) {
      this.texture?.destroy();
      this.texture = device.createTexture({
        size: [width, height],
        format: 'rgba8unorm',
        usage: textureUsage,
      });
    }
    const { texture } = this;
    const copy = (from: FrameSource) =>
      device.queue.copyExternalImageToTexture({ source: from }, { texture }, [width, height]);
    try {
      copy(source);
    } catch (error) {
      passed(error);
      const bitmap = await createImageBitmap(source);
      copy(bitmap);
      bitmap.close();
    }
    return texture.createView();
  }

  /** Bindings start at multiples of what the device says; the words before the tensor are skipped. */
  private bound({ buffer, offset, size }: BytesPlace): Bound {
    const begin = offset - (offset % this.device.limits.minStorageBufferOffsetAlignment);
    const bytes = Math.ceil((offset - begin + size) / 4) * 4;
    return { resource: { buffer, offset: begin, size: bytes }, skip: (offset - begin) / 4 };
  }

  private bind(
    pipeline: GPUComputePipeline | GPURenderPipeline,
    picture: GPUExternalTexture | GPUTextureView,
    ...buffers: GPUBufferBinding[]
  ): GPUBindGroup {
    const resources = [this.sampler, picture, ...buffers];
    return this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
  }

  private pipelinesFor(isVideo: boolean, format: GPUTextureFormat) {
    const key = `${isVideo} ${format}`;
    let made = this.pipelines.get(key);
    if (!made) {
      const { height, width } = this.size;
      const module = (code: string) => this.device.createShaderModule({ code });
      const common = `@group(0) @binding(0) var smooth_: sampler;
@group(0) @binding(1) var picture: ${isVideo ? 'texture_external' : 'texture_2d<f32>'};`;
      made = {
        take: this.device.createComputePipeline({
          layout: 'auto',
          compute: { module: module(common + takeText(height, width, this.bound(this.images).skip)) },
        }),
        draw: this.device.createRenderPipeline({
          layout: 'auto',
          vertex: { module: module(vertexText) },
          fragment: {
            module: module(common + drawText(height, width, this.bound(this.labels).skip)),
            targets: [{ format }],
          },
        }),
      };
      this.pipelines.set(key, made);
    }
    return made;
  }
}

/** WGSL: four pixels of the network's size are three words of bytes, red, green, blue. */
const takeText = (height: number, width: number, skip: number): string => `
@group(0) @binding(2) var<storage, read_write> words: array<u32>;
fn bytes(p: u32) -> vec3u {
  let at = vec2f(f32(p % ${width}u), f32(p / ${width}u)) + 0.5;
  let colour = textureSampleBaseClampToEdge(picture, smooth_, at / vec2f(${width}f, ${height}f));
  return vec3u(round(clamp(colour.rgb, vec3f(0f), vec3f(1f)) * 255f));
}
@compute @workgroup_size(${group})
fn take(@builtin(global_invocation_id) id: vec3u) {
  let p = 4u * id.x;
  if (p >= ${height * width}u) { return; }
  let a = bytes(p);
  let b = bytes(p + 1u);
  let c = bytes(p + 2u);
  let d = bytes(p + 3u);
  let first = ${skip}u + 3u * id.x;
  let last = ${skip + Math.ceil((3 * height * width) / 4)}u;
  words[first] = a.r | (a.g << 8u) | (a.b << 16u) | (b.r << 24u);
  if (first + 1u < last) { words[first + 1u] = b.g | (b.b << 8u) | (c.r << 16u) | (c.g << 24u); }
  if (first + 2u < last) { words[first + 2u] = c.b | (d.r << 8u) | (d.g << 16u) | (d.b << 24u); }
}`;

/** One triangle that covers the canvas. */
const vertexText = `
struct Corner { @builtin(position) place: vec4f, @location(0) at: vec2f }
@vertex fn corner(@builtin(vertex_index) i: u32) -> Corner {
  let at = vec2f(f32((i << 1u) & 2u), f32(i & 2u));
  return Corner(vec4f(at.x * 2f - 1f, 1f - at.y * 2f, 0f, 1f), at);
}`;

/** WGSL: a pixel of the canvas, the colour of its class laid over it. */
const drawText = (height: number, width: number, skip: number): string => `
@group(0) @binding(2) var<storage, read> labels: array<u32>;
struct Look { colours: array<u32, 256>, opacity: f32, under: f32 }
@group(0) @binding(3) var<storage, read> look: Look;
@fragment fn pixel(@location(0) at: vec2f) -> @location(0) vec4f {
  let size = vec2f(${width}f, ${height}f);
  let place = min(vec2u(at * size), vec2u(${width - 1}u, ${height - 1}u));
  let p = place.y * ${width}u + place.x;
  let id = extractBits(labels[${skip}u + p / 4u], 8u * (p % 4u), 8u);
  let over = unpack4x8unorm(look.colours[id]);
  let a = over.a * look.opacity;
  let under = look.under * textureSampleBaseClampToEdge(picture, smooth_, at).rgb;
  return vec4f(mix(under, over.rgb, a), max(look.under, a));
}`;

/** Passes over what a browser says of a frame that it cannot hand over so; there are other ways. @throws anything else. */
function passed(error: unknown): undefined {
  const { name } = error as Error;
  if (name === 'SecurityError') throw pictureOfAnotherOrigin();
  if (name !== 'OperationError') throw error;
}

function isOf(name: 'HTMLVideoElement' | 'VideoFrame', source: FrameSource): boolean {
  const kind = (globalThis as Record<string, unknown>)[name];
  return typeof kind === 'function' && source instanceof kind;
}
