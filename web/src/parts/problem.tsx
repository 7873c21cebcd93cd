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

/** What an error says to people. */
export const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
