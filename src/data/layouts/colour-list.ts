import { UserError } from '../../errors.js';
import { type ClassTable, plainTable, type Rgb } from '../classes.js';
import { readBytes } from '../files.js';

/** Names of classes that are none. */
const voids = new Set(['void', 'unlabelled', 'unlabeled', 'ignore']);

/** Largest list: some hundred lines. */
const mostBytes = 1 << 20;

/** A line that has three numbers and a name, before or after them, with any of the usual separators. */
const colourFirst = /^\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(.+?)\s*$/;
const nameFirst = /^\s*([^,:]+?)\s*[,:\t]\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\b/;

/**
 * Reads a list of classes with their colours: `128 64 128 Road` (label_colors.txt), `Road, 128, 64, 128`
 * (class_dict.csv) or `road:128,64,128::` (labelmap.txt). A class called void or unlabelled is what is ignored.
 * @throws UserError naming the file where it has no such line, a colour above 255, or a name or colour twice.
 */
export async function readColourList(file: string, name: string): Promise<ClassTable> {
  const names: string[] = [];
  const colours: Rgb[] = [];
  const ignoredColours: Rgb[] = [];
  const seen = new Set<string>();
  for (const line of (await readBytes(file, mostBytes)).toString('utf8').split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const first = colourFirst.exec(line);
    const last = first ? undefined : nameFirst.exec(line);
    const [title, r, g, b] = first ? [first[4], first[1], first[2], first[3]] : (last ?? []).slice(1);
    if (title === undefined) continue;
    const colour: Rgb = [Number(r), Number(g), Number(b)];
    if (colour.some((value) => value > 255))
      throw new UserError(`${file}: colour ${colour.join(' ')} of "${title}" is above 255`);
    for (const once of [title, colour.join(' ')]) {
      if (seen.has(once)) throw new UserError(`${file}: has "${once}" twice; names and colours must differ`);
      seen.add(once);
    }
    if (voids.has(title.toLowerCase())) ignoredColours.push(colour);
    else {
      names.push(title);
      colours.push(colour);
    }
  }
  if (names.length === 0 || names.length > 255) {
    throw new UserError(
      `${file}: has ${names.length} classes; expected 1 to 255 lines such as '128 64 128 Road'`,
    );
  }
  return { ...plainTable(name, names, colours), ignoredColours, explicit: true, palette: 'colours' };
}
