import { useEffect, useState } from 'preact/hooks';
import { text } from '../text.ts';
import type { RunDetails, RunsServer } from './server.ts';

const words = text.runs;
/** Pictures that are shown. */
const shown = 6;

interface PicturesProps {
  readonly server: RunsServer;
  readonly run: RunDetails;
  readonly onProblem: (error: unknown) => void;
}

/** Predictions for validation pictures, after any epoch: at first the newest, which follows the training. */
export function ValidationPictures({ server, run, onProblem }: PicturesProps) {
  const epochs = [...new Set(run.pictures.flatMap((each) => each.epochs.map(({ epoch }) => epoch)))].sort(
    (a, b) => a - b,
  );
  const [held, setHeld] = useState<number | undefined>(undefined);
  if (epochs.length === 0) return null;
  const at = held === undefined ? epochs.length - 1 : Math.min(held, epochs.length - 1);
  const epoch = epochs[at];
  return (
    <section class="card" aria-label={words.pictures}>
      <h2>{words.pictures}</h2>
      <div class="bar fields-row">
        <label>
          {words.afterEpoch(epoch)}
          <input
            type="range"
            min="0"
            max={epochs.length - 1}
            value={at}
            disabled={epochs.length === 1}
            onInput={({ currentTarget }) => {
              const chosen = Number(currentTarget.value);
              setHeld(chosen === epochs.length - 1 ? undefined : chosen);
            }}
          />
        </label>
      </div>
      <div class="gallery">
        {run.pictures.slice(0, shown).map(({ picture, epochs }) => {
          const file = epochs.findLast((each) => each.epoch <= epoch)?.file ?? epochs[0].file;
          const label = words.predicted(picture, epoch);
          return <Picture key={picture} {...{ server, file, label, onProblem }} run={run.name} />;
        })}
      </div>
    </section>
  );
}

interface PictureProps {
  readonly server: RunsServer;
  readonly run: string;
  readonly file: string;
  readonly label: string;
  readonly onProblem: (error: unknown) => void;
}

/** Fetched by hand: an `<img>` sends no token. */
function Picture({ server, run, file, label, onProblem }: PictureProps) {
  const [url, setUrl] = useState<string | undefined>(undefined);
  useEffect(() => {
    let current: string | undefined;
    let wanted = true;
    server
      .picture(run, file)
      .then((blob) => {
        if (!wanted) return;
        current = URL.createObjectURL(blob);
        setUrl(current);
      })
      .catch((error: unknown) => wanted && onProblem(error));
    return () => {
      wanted = false;
      if (current) URL.revokeObjectURL(current);
    };
  }, [server, run, file]);
  return url === undefined ? null : <img src={url} alt={label} title={label} />;
}
