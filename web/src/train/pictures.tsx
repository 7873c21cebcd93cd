import { text } from '../text.ts';
import type { OwnClass, OwnPicture } from './project.ts';
import { paintedShare } from './project.ts';
import { Thumbnail } from './thumbnail.tsx';

const words = text.train;

interface PicturesProps {
  readonly pictures: readonly OwnPicture[];
  readonly classes: readonly OwnClass[];
  readonly version: number;
  readonly over: boolean;
  readonly chosen: string | undefined;
  readonly disabled: boolean;
  /** What is going on. */
  readonly says: string | undefined;
  readonly onAdd: (files: readonly File[]) => void;
  readonly onChoose: (id: string) => void;
  readonly onRemove: (id: string) => void;
}

/** The pictures of the page's own data set: to add, choose and remove. */
export function Pictures(props: PicturesProps) {
  const { pictures, classes, version, over, chosen, disabled, says } = props;
  const picked = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    const files = [...(currentTarget.files ?? [])];
    currentTarget.value = '';
    if (files.length > 0) props.onAdd(files);
  };
  const current = pictures.find(({ id }) => id === chosen);
  return (
    <>
      <div class="bar">
        <label class={`button main${disabled ? ' off' : ''}`}>
          {words.add}
          <input type="file" multiple accept="image/*,.zip,.json" disabled={disabled} onChange={picked} />
        </label>
        <label class={`button${disabled ? ' off' : ''}`}>
          {words.folder}
          <input type="file" multiple {...{ webkitdirectory: true }} disabled={disabled} onChange={picked} />
        </label>
        {current && (
          <button type="button" disabled={disabled} onClick={() => props.onRemove(current.id)}>
            {words.remove}
          </button>
        )}
        <span role="status" class="dim">
          {says}
        </span>
      </div>
      {pictures.length === 0 ? (
        <div class={`card stage${over ? ' over' : ''}`}>
          <div class="empty">
            <p>{words.drop}</p>
            <p class="note">{words.dropMore}</p>
          </div>
        </div>
      ) : (
        <nav class={`strip pictures${over ? ' over' : ''}`} aria-label={words.pictures}>
          {pictures.map((picture) => (
            <button
              type="button"
              key={picture.id}
              aria-current={picture.id === chosen}
              title={picture.name}
              onClick={() => props.onChoose(picture.id)}
            >
              <Thumbnail
                {...picture}
                labels={picture.mask}
                {...{ classes, version }}
                label={picture.name}
                side={110}
              />
              <span>{words.paintedShare(paintedShare(picture))}</span>
            </button>
          ))}
        </nav>
      )}
    </>
  );
}
