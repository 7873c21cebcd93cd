import pc from 'picocolors';
import { formatBytes, formatRate, formatScore } from '../report/format.js';
import type { TrainEvent } from '../train/events.js';
import { Progress } from './progress.js';

/** Shows a training run on stderr: one bar over all steps, and a line that stays for each validation. */
export class TrainingDisplay {
  private progress: Progress | undefined;
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
        const note = [
          `epoch ${epoch + 1}/${this.epochs}`,
          `loss ${loss.toFixed(3)}`,
          formatRate(imagesPerSecond),
          formatBytes(memory.rssBytes),
        ].join(pc.dim(' · '));
        this.progress?.update(this.step, note);
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
    this.progress?.stop();
  }
}

/**
 * A signal that Ctrl-C (or a termination request) aborts, so that the step is finished and saved. A second Ctrl-C
 * ends the process at once. `release` takes the handlers away again.
 */
export function interruptSignal(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(1);
    process.stderr.write('\nvnet: finishing the step and saving; once more to stop at once\n');
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const release = () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
  return { signal: controller.signal, release };
}
