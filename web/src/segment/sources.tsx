import { text } from '../text.ts';

const words = text.segment;

interface SourcesProps {
  readonly live: boolean;
  readonly onFiles: (files: Iterable<File>) => void;
  readonly onCamera: () => void;
  readonly onStop: () => void;
}

/** Where pictures come from: files, a folder, the camera. */
export function Sources({ live, onFiles, onCamera, onStop }: SourcesProps) {
  const picked = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    if (currentTarget.files?.length) onFiles([...currentTarget.files]);
    // The same file may be picked again.
    currentTarget.value = '';
  };
  return (
    <>
      <label class="button main">
        {words.files}
        <input type="file" multiple accept="image/*,video/*,.safetensors" onChange={picked} />
      </label>
      <label class="button">
        {words.folder}
        <input type="file" multiple {...{ webkitdirectory: true }} onChange={picked} />
      </label>
      {live ? (
        <button type="button" onClick={onStop}>
          {words.stop}
        </button>
      ) : (
        <button type="button" onClick={onCamera}>
          {words.camera}
        </button>
      )}
    </>
  );
}
