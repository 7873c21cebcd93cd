import { constants } from 'node:os';
import { formatBytes, formatRate, formatScore } from '../report/format.js';
import type { TrainEvent } from '../train/events.js';
import pc from './colour.js';
import { Progress } from './progress.js';

/** Shows a training run on stderr: one bar over all steps, and a line that stays for each validation. */
export class TrainingDisplay {
  private progress: Progress | undefined;
  private teaching: Progress | undefined;
  private loss: number | undefined;
  private step = 0;
  private epochs = 0;

  onEvent(event: TrainEvent): void {
    switch (event.type) {
      case 'start': {
        this.epochs = event.epochs;
        this.step = event.step;
        this.progress = new Progress('steps', event.epochs * event.stepsPerEpoch, event.step);
        const cache =
          event.cacheBytes > 0 ? `, up to ${formatBytes(event.cacheBytes)} of decoded images` : '';
        this.progress.log(
          `${pc.yellow('note:')} ${event.height}×${event.width}; memory: plan ${formatBytes(event.planBytes)}${cache}, and the process`,
        );
        break;
      }
      case 'step': {
        const { epoch, loss, imagesPerSecond, memory } = event;
        this.step = event.step;
        this.loss = loss;
        const notes = [
          `epoch ${epoch + 1}/${this.epochs}`,
          `loss ${loss.toFixed(3)}`,
          formatRate(imagesPerSecond),
          formatBytes(memory.rssBytes ?? memory.allocatedBytes),
        ];
        this.progress?.update(this.step, ...notes);
        break;
      }
      case 'teaching': {
        this.teaching ??= new Progress('images seen by teachers', event.total, event.done);
        this.teaching.update(event.done);
        if (event.done === event.total) this.teaching.stop();
        break;
      }
      case 'validating': {
        this.progress?.update(this.step, `validating ${event.done}/${event.total}`);
        break;
      }
      case 'validation': {
        const { epoch, scores, best } = event;
        this.progress?.update(this.step, `epoch ${epoch + 1}/${this.epochs}`);
        const mark = best ? pc.green(' best') : '';
        this.progress?.log(
          `epoch ${epoch + 1}/${this.epochs}: mIoU ${pc.bold(`${formatScore(scores.miou)} %`)}${mark}, ` +
            `pixel accuracy ${formatScore(scores.pixelAccuracy)} %${this.loss === undefined ? '' : `, loss ${this.loss.toFixed(3)}`}`,
        );
        break;
      }
      case 'notice': {
        const line = `${pc.yellow('note:')} ${event.message}`;
        if (this.progress) this.progress.log(line);
        else process.stderr.write(`${line}\n`);
        break;
      }
      case 'saved':
        break;
    }
  }

  stop(): void {
    this.teaching?.stop();
    this.progress?.stop();
  }
}

export const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * A signal that Ctrl-C, a request to end, or a closed terminal aborts, so that the step is finished and saved. A second
 * one ends the process at once, as does any before {@link Interrupt.began}: there is nothing to save then.
 */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** From now on there is work to finish. */
  began(): void;
  /** Takes the handlers away again. */
  release(): void;
}

/** @param doing what the first signal still lets it do. */
export function interruptSignal(doing = 'finishing the step and saving'): Interrupt {
  const controller = new AbortController();
  let working = false;
  const stop = (name: NodeJS.Signals): void => {
    if (!working || controller.signal.aborted) process.exit(128 + constants.signals[name]);
    process.stderr.write(`\nvnet: ${doing}; once more to stop at once\n`);
    controller.abort();
  };
  for (const name of endSignals) process.on(name, stop);
  return {
    signal: controller.signal,
    began: () => {
      working = true;
    },
    release: () => {
      for (const name of endSignals) process.off(name, stop);
    },
  };
}
