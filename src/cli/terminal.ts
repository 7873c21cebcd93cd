import pc from './colour.js';

/** What colours and weights are (picocolors): the only sequences that text may have, and none of them hides it. */
const own = /\[(?:0|1|2|22|3[1-79])m/y;

/** Control characters but line ends and tabs, and the marks that turn the direction of text. */
const control = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu;

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Text from files and file names as it may be shown: control characters as `\u001b`, as JSON writes them too, so that
 * printed JSON stays what it was. Line ends and tabs stay.
 */
export const printable = (text: string): string => text.replace(control, escaped);

/** The same for what a terminal is sent: colours pass. */
export function printableStyled(text: string): string {
  return text.replace(control, (char, at: number) => {
    own.lastIndex = at + 1;
    return char === '\x1b' && own.test(text) ? char : escaped(char);
  });
}

/**
 * Standard error for what moves the cursor and erases, the progress bar: past {@link guardOutputs}, so nothing of a file
 * may be in it that has not gone through {@link printable}.
 */
export const screen: NodeJS.WriteStream = Object.create(process.stderr, {
  write: { value: process.stderr.write.bind(process.stderr) },
});

/**
 * From now on, all text on both outputs passes through here, the one place: whatever a file is called or a class is
 * named, it cannot move the cursor, change the window's title, or hide a line. Bytes (frames in a pipe) pass as they are.
 * Where nothing is coloured, nothing of the program's own needs to pass either.
 */
export function guardOutputs(): void {
  const filter = pc.isColorSupported ? printableStyled : printable;
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
    stream.write = ((chunk: unknown, ...rest: unknown[]) =>
      write(typeof chunk === 'string' ? filter(chunk) : chunk, ...rest)) as typeof stream.write;
  }
}
