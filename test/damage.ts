import type { Rng } from '../src/data/rng.js';

/** Random damage as files get it: a flipped bit, a cut end, zeros, a byte too many, bytes lost, bytes overwritten. */
export function damage(bytes: Buffer, rng: Rng, header = 1200): Buffer {
  const bad = Buffer.from(bytes);
  const place = rng.chance(0.5) ? rng.int(bytes.length) : rng.int(Math.min(header, bytes.length));
  switch (rng.int(6)) {
    case 0:
      bad[place] ^= 1 << rng.int(8);
      return bad;
    case 1:
      return bad.subarray(0, place);
    case 2:
      bad.fill(0, place, Math.min(bad.length, place + 512));
      return bad;
    case 3:
      return Buffer.concat([bad.subarray(0, place), Buffer.from([rng.int(256)]), bad.subarray(place)]);
    case 4:
      return Buffer.concat([bad.subarray(0, place), bad.subarray(place + 1 + rng.int(64))]);
    default:
      for (let i = 0; i < 16; i++) bad[Math.min(place + i, bad.length - 1)] = rng.int(256);
      return bad;
  }
}

/** Damage that keeps JSON readable more often: a digit, a word or a bracket becomes another. */
export function damageText(text: string, rng: Rng): Buffer {
  if (rng.chance(0.4)) return damage(Buffer.from(text), rng);
  const parts = text
    .split(/("[^"]*"|-?\d+(?:\.\d+)?|true|false|null|[[\]{},:])/)
    .filter((part) => part !== '');
  const words = [
    '-1',
    '0',
    '1e400',
    '2.5',
    '""',
    '"x"',
    'null',
    'true',
    '[]',
    '{}',
    '99999999999999999999',
    '',
  ];
  for (let count = 1 + rng.int(2); count > 0; count--) parts[rng.int(parts.length)] = rng.pick(words);
  return Buffer.from(parts.join(''));
}
