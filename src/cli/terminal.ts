/**
 * What this program itself sends to a terminal besides text: colours and weights (picocolors), moves of the cursor and
 * erasures of the progress bar (cli-progress). None of them leaves a mark beyond the line, or tells the terminal more.
 */
const own = /\[(?:[0-9;]*m|\?25[lh]|\?7[lh]|[0-9]*[ABCDGJK])/y;

/** Control characters but line ends and tabs, and the marks that turn the direction of text. */
const control = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu;

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Text from files and file names as it may be shown: control characters as `\u001b`, as JSON writes them too, so that
 * printed JSON stays what it was. Line ends and tabs stay.
 */
export const printable = (text: string): string => text.replace(control, escaped);

/** The same for what a terminal is sent: the program's own sequences pass, where colours are on. */
export function printableStyled(text: string): string {
  return text.replace(control, (char, at: number) => {
    if (char === '\r') return char;
    if (char !== '\x1b') return escaped(char);
    own.lastIndex = at + 1;
    return own.test(text) ? char : escaped(char);
  });
}

/**
 * From now on, all text on both outputs passes through here, the one place: whatever a file is called or a class is
 * named, it cannot move the cursor, change the window's title, or hide a line. Bytes (frames in a pipe) pass as they are.
 * Where an output is no terminal, nothing of the program's own needs to pass either.
 */
export function guardOutputs(): void {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
    const filter = stream.isTTY || process.env.FORCE_COLOR ? printableStyled : printable;
    stream.write = ((chunk: unknown, ...rest: unknown[]) =>
      write(typeof chunk === 'string' ? filter(chunk) : chunk, ...rest)) as typeof stream.write;
  }
}
