import { decodeImage, imageSize } from '../data/image.js';
import type { Source } from '../data/sources/source.js';
import { DeviceError, type UserError } from '../errors.js';
import { type FittingOptions, fitted } from '../eval/fitting.js';
import { largestPart, predictLabels } from '../eval/predict.js';
import type { Predictor } from '../eval/predictor.js';
import type { Model } from '../model/model.js';
import type { Writer } from './outputs/writer.js';

/** What was done for a picture. */
export interface Labelled {
  readonly height: number;
  readonly width: number;
  /** The size at which the network saw it, where that is another. */
  readonly shownAt?: readonly [height: number, width: number];
  /** Milliseconds in the network. */
  readonly ms: number;
  /** What was written, by kind. */
  readonly written: object;
}

/** Reads pictures, predicts them and writes the results: here for one process, and for each worker behind a queue. */
export class Labeller {
  constructor(
    private readonly predictor: Predictor,
    private readonly model: Model,
    private readonly writer: Writer,
    private readonly view: FittingOptions,
  ) {}

  /** @throws UserError where the picture cannot be read or is too large, or the result cannot be written. */
  async label(input: Source): Promise<Labelled> {
    const { predictor, model, writer } = this;
    const bytes = await input.read();
    const size = await imageSize(bytes, input.file);
    const options = fitted(this.view, model.info, size);
    // Before anything is decoded: a header alone must not ask for gigabytes. Besides: the picture as decoded and as
    // blended, and its labels.
    const part = largestPart(options, size);
    const { needsConfidence } = writer;
    predictor.check(part, needsConfidence ? 'logits' : part.output, 10 * size.height * size.width);
    const image = await decodeImage(bytes, input.file);
    const { height, width } = image;
    const certain = needsConfidence ? new Uint8Array(height * width) : undefined;
    const start = performance.now();
    const labels = await predictLabels(predictor, image, options, certain);
    const ms = performance.now() - start;
    const confidence = certain && { height, width, data: certain };
    const written = await writer.add(input, { image, labels, confidence });
    return { height, width, ...(options.resize ? { shownAt: options.resize } : {}), ms, written };
  }
}

/** Failures that every other picture would meet too: a full disk, a lost GPU. */
export const endsAll = (error: UserError): boolean =>
  error instanceof DeviceError ||
  error.exitCode === 2 ||
  ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'].includes(
    (error.cause as NodeJS.ErrnoException | undefined)?.code ?? '',
  );

/** Messages of readers begin with the file, those of the network do not. */
export const withoutName = (message: string, file: string): string =>
  message.startsWith(`${file}: `) ? message.slice(file.length + 2) : message;
