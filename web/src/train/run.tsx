import { useState } from 'preact/hooks';
import { Choice } from '../parts/choice.tsx';
import { text } from '../text.ts';
import { Memory } from './memory.tsx';
import type { OwnClass, OwnPicture } from './project.ts';
import type { Beginning, Job } from './protocol.ts';
import type { Length, split, TrainingSide } from './settings.ts';
import { configOf, lengths, trainingSides } from './settings.ts';
import type { Training } from './training.ts';

const words = text.train;

interface RunProps {
  readonly training: Training;
  readonly classes: readonly OwnClass[];
  readonly pictures: readonly OwnPicture[];
  readonly parts: ReturnType<typeof split>;
  readonly onDownload: () => void;
  readonly onUse: () => void;
}

const labelled = ({ id, width, height, rgb, mask }: OwnPicture): Job['train'][number] => ({
  id,
  image: { width, height, data: rgb },
  labels: { width, height, data: mask },
});

/** How to train, the memory it will take, and the buttons that start and stop it. */
export function Run({ training, classes, pictures, parts, onDownload, onUse }: RunProps) {
  const [side, setSide] = useState<TrainingSide>(320);
  const [length, setLength] = useState<Length>('middle');
  const [beginning, setBeginning] = useState<Beginning>('box');
  const { running, stopping, kept } = training;
  const possible = parts.train.length > 0 && classes.length >= 2;
  const config = possible ? configOf(parts.train, side, length) : undefined;
  const [height, width] =
    config && typeof config.size === 'object' && 'resize' in config.size ? config.size.resize : [0, 0];
  const begin = () =>
    training.start({
      train: parts.train.map(labelled),
      validation: parts.validation.map(labelled),
      classes,
      config: config!,
      beginning,
      resume: false,
    });
  const byId = (ids: readonly string[]) =>
    ids.flatMap((id) => pictures.find((picture) => picture.id === id) ?? []).map(labelled);
  const resumable = kept && !running && kept.epoch < (kept.config.epochs ?? 0);
  const resume = () =>
    training.start({
      train: byId(kept!.train),
      validation: byId(kept!.validation),
      classes,
      config: kept!.config,
      beginning: kept!.beginning,
      resume: true,
    });
  return (
    <section class="card fields" aria-label={words.training}>
      <h2>{words.training}</h2>
      <Choice label={words.side} value={side} options={trainingSides} disabled={running} onChoose={setSide} />
      <Choice
        label={words.length}
        value={length}
        options={Object.keys(lengths) as Length[]}
        title={(name) => `${words.lengths[name]} (${lengths[name]})`}
        disabled={running}
        onChoose={setLength}
      />
      <Choice
        label={words.beginning}
        value={beginning}
        options={kept ? ['box', 'own', 'fresh'] : ['box', 'fresh']}
        title={(name) => words.beginnings[name]}
        disabled={running}
        onChoose={setBeginning}
      />
      {config ? (
        <Memory classes={classes.length} batch={config.batch ?? 4} height={height} width={width} />
      ) : (
        <p class="note">{words.notYet}</p>
      )}
      {possible && (
        <p class="note">
          {parts.heldOut
            ? words.parts(parts.train.length, parts.validation.length)
            : words.partsAlike(parts.train.length)}
        </p>
      )}
      <div class="bar">
        {running ? (
          <button type="button" class="main" disabled={stopping} onClick={training.stop}>
            {stopping ? words.stopping : words.stop}
          </button>
        ) : (
          <button type="button" class={resumable ? '' : 'main'} disabled={!possible} onClick={begin}>
            {words.start}
          </button>
        )}
        {resumable && (
          <button type="button" class="main" onClick={resume}>
            {words.resume(kept.step)}
          </button>
        )}
      </div>
      {kept && !running && (
        <div class="bar">
          <button type="button" onClick={onUse}>
            {words.use}
          </button>
          <button type="button" onClick={onDownload}>
            {words.download}
          </button>
        </div>
      )}
    </section>
  );
}
