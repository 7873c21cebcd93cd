import { useTitle } from '../parts/background.ts';
import { text } from '../text.ts';
import { Lines } from './lines.tsx';
import type { OwnClass, OwnPicture } from './project.ts';
import { Thumbnail } from './thumbnail.tsx';
import type { Training } from './training.ts';

const words = text.train;
/** Validation pictures that are shown. */
const shown = 8;

interface ProgressProps {
  readonly training: Training;
  readonly steps: number;
  readonly classes: readonly OwnClass[];
  readonly pictures: readonly OwnPicture[];
  /** Whether validation pictures are not trained on. */
  readonly heldOut: boolean;
}

/** Curves and validation pictures, which sharpen while the network learns. */
export function Progress({ training, steps, classes, pictures, heldOut }: ProgressProps) {
  const { loss, miou, predictions, latest, running, notices } = training;
  useTitle(running && latest ? words.title(latest.step, latest.steps) : undefined);
  if (loss.length === 0 && !running) return null;
  const seen = pictures.filter(({ id }) => predictions.has(id)).slice(0, shown);
  return (
    <section class="card" aria-label={words.progress}>
      <h2>{words.progress}</h2>
      <p class="dim" data-fact="training">
        {latest
          ? words.rate(latest.step, latest.steps, latest.imagesPerSecond, latest.etaSeconds)
          : running
            ? words.preparing
            : ''}
      </p>
      {notices.map((notice) => (
        <p class="note" key={notice}>
          {notice}
        </p>
      ))}
      <div class="curves">
        <Lines curve={loss} title={words.loss} steps={steps} format={(value) => value.toFixed(2)} />
        <Lines
          curve={miou}
          title={heldOut ? words.miou : words.miouTrained}
          steps={steps}
          format={(value) => `${Math.round(100 * value)} %`}
          most={1}
        />
      </div>
      {seen.length > 0 && (
        <>
          <h3>{heldOut ? words.validation : words.validationTrained}</h3>
          <div class="gallery">
            {seen.map(({ id, name, width, height, rgb }) => {
              const { labels, epoch } = predictions.get(id)!;
              return (
                <Thumbnail
                  key={id}
                  {...{ width, height, rgb, labels, classes, version: epoch }}
                  label={words.predicted(name, epoch)}
                  side={320}
                />
              );
            })}
          </div>
        </>
      )}
    </section>
  );
}
