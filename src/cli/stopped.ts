import { UserError } from '../errors.js';

/** A run that was asked to end, and has saved: the command that goes on stands alone in its line, to be copied. */
export class Stopped extends UserError {
  /** @param words the command's, without quotes. */
  constructor(
    message: string,
    readonly words: readonly string[],
  ) {
    super(`${message}; go on with:`);
  }

  get command(): string {
    return this.words.map(quoted).join(' ');
  }
}

/** As a shell reads it as one word. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
