import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import path from 'node:path';
import { isFile, readBytes } from '../data/files.js';
import { UserError } from '../errors.js';
import { Lanes, lanesFor } from '../eval/lanes.js';
import { canMapTones } from '../stream/decode.js';
import { findFfmpeg } from '../stream/ffmpeg.js';
import type { StreamInfo } from '../stream/probe.js';
import { identify } from '../stream/probe.js';
import type { SegmentedFrame } from '../stream/segment.js';
import { segmentStream } from '../stream/segment.js';
import type { StreamSource } from '../stream/source.js';
import { cameraSource, isStreamAddress, isVideoName, sourceOf } from '../stream/source.js';
import { openBackend } from './device.js';
import { openModel } from './model.js';
import { StreamDisplay } from './streamDisplay.js';
import type { StreamFlags } from './streamFlags.js';
import { StreamOutputs } from './streamOutputs.js';
import { interruptSignal } from './training.js';
import { fittedOptions, fittingNote } from './views.js';

/** Segments a video, a camera, a stream on the network, or a pipe. */
export async function predictStream(given: string, flags: StreamFlags): Promise<void> {
  const ffmpeg = await findFfmpeg(flags.ffmpeg);
  const named = flags.camera === undefined ? sourceOf(given, rawOf(flags)) : cameraSource(flags.camera);
  if (named.kind === 'file' && !isStreamAddress(given) && !isFile(given)) {
    throw new UserError(`${given}: no such video`);
  }
  const { source, info } = await identify(ffmpeg, named);
  const { model, file } = await openModel(flags.model, flags.net);
  const target = targetOf(given, source, flags);
  const recipe = await recipeOf(given, file, flags);
  const outputs = await StreamOutputs.open(ffmpeg, source, info, model, target, recipe, flags);
  const backend = await openBackend(flags);
  const { threads, precision } = flags;
  // Live frames are to be done soon, those of files are many.
  const lanes = source.kind === 'live' || !backend.threads ? 1 : lanesFor(threads);
  const predictor = new Lanes(model.network, model.weights, { backend, threads, precision, sizes: 1 }, lanes);
  // Files that are begun are ended so that they can be played.
  const interrupt = interruptSignal('ending the files');
  interrupt.began();
  const total = source.kind === 'file' ? framesOf(info, flags) : undefined;
  const display = new StreamDisplay(source, total, outputs.done);
  if (info?.hdr && !canMapTones(ffmpeg)) {
    display.note(
      'high dynamic range is shown darker than it is: this ffmpeg lacks the filters zscale and tonemap',
    );
  }
  let last: SegmentedFrame | undefined;
  let toldSize = false;
  const viewOf = (size: { readonly height: number; readonly width: number }) => {
    const view = fittedOptions(flags, model.info, size);
    if (view.resize && !flags.resize && !toldSize) {
      toldSize = true;
      display.note(`frames: ${fittingNote(size, view.resize, model.info)}`);
    }
    return view;
  };
  try {
    const frames = segmentStream(predictor, ffmpeg, source, {
      ...{ view: viewOf, lanes },
      ...{ every: flags.every, smooth: flags.smooth, fps: flags.fps, from: flags.from, to: flags.to },
      ...{ skip: outputs.done, hdr: info?.hdr, signal: interrupt.signal },
      onNotice: (message) => display.note(message),
    });
    for await (const result of frames) {
      last = result;
      await outputs.add(result);
      display.show(result);
    }
    await outputs.finish(interrupt.signal.aborted);
  } catch (error) {
    await outputs.abort();
    throw error;
  } finally {
    interrupt.release();
    display.stop();
    await predictor.dispose();
  }
  display.report(last, outputs.named, { ...flags, out: target });
  if (interrupt.signal.aborted && source.kind === 'file') {
    throw new UserError(
      flags.resume
        ? 'stopped; the same command goes on'
        : `stopped after frame ${(last?.frame.index ?? -1) + 1}${total ? ` of ${total}` : ''}; what there is can be played`,
    );
  }
  if (!last && outputs.done === 0) throw new UserError(`${source.name}: holds no frame in that time`);
}

const rawOf = ({ raw, fps }: StreamFlags) => raw && { ...raw, fps: fps ?? 25 };

function framesOf(info: StreamInfo | undefined, { fps, from = 0, to }: StreamFlags): number | undefined {
  if (!info) return undefined;
  const { seconds, frames } = info;
  if (fps === undefined && from === 0 && to === undefined) return frames;
  if (seconds === undefined) return undefined;
  return Math.max(1, Math.round((Math.min(to ?? seconds, seconds) - from) * (fps ?? info.fps)));
}

/** Where the overlay goes: as asked; without labels, beside other predictions under the video's name; live, only where asked. */
function targetOf(
  given: string,
  source: StreamSource,
  { out, overwrite, resume, labels }: StreamFlags,
): string | undefined {
  const isTarget = (text: string) => text === '-' || isVideoName(text);
  const named = `${path.parse(given.replace(/\?.*$/, '')).name}_overlay.mp4`;
  let target: string | undefined;
  if (out !== undefined)
    target = isTarget(out) ? out : path.join(out, source.kind === 'file' ? named : 'overlay.mp4');
  else if (labels !== undefined) target = undefined;
  else if (source.kind === 'pipe') target = '-';
  else if (source.kind === 'file') target = path.join('predictions', named);
  if (target !== undefined && target !== '-' && path.resolve(target) === path.resolve(given)) {
    throw new UserError(`${target}: is the input and would be overwritten; choose another --out`, 2);
  }
  for (const file of [target, labels]) {
    if (file === undefined || file === '-' || !isFile(file) || overwrite || resume) continue;
    throw new UserError(`${file}: is there already; --overwrite replaces it`);
  }
  return target;
}

async function recipeOf(given: string, model: string, flags: StreamFlags): Promise<string> {
  const { resize, window, scales, flip, precision, alpha, legend, sideBySide, every, fps, from, to, smooth } =
    flags;
  const video = isFile(given) ? [statSync(given).size, statSync(given).mtimeMs] : [given];
  const options = {
    resize,
    window,
    scales,
    flip,
    precision,
    alpha,
    legend,
    sideBySide,
    every,
    fps,
    from,
    to,
    smooth,
  };
  const hash = createHash('sha256').update(await readBytes(model));
  return hash.update(JSON.stringify([video, options])).digest('hex');
}
