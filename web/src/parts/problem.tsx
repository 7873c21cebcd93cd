import { text } from '../text.ts';

/** One sentence about what went wrong; the rest of the page goes on. */
export function Problem({ message, onClose }: { message: string | undefined; onClose: () => void }) {
  return (
    <div role="alert">
      {message && (
        <div class="problem">
          <span>{message}</span>
          <button type="button" onClick={onClose}>
            {text.problems.close}
          </button>
        </div>
      )}
    </div>
  );
}
