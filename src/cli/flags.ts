/** Options of the library whose flags have another name. */
const renamed: Readonly<Record<string, string>> = { height: 'size', width: 'size' };

/**
 * A message of the library in the command line's terms: `` `device: 'wasm'` `` becomes `--device wasm`,
 * `` `validateEvery: 0` `` becomes `--validate-every 0`, `` `window: [512, 1024]` `` becomes `--window 512x1024`.
 */
export const withFlags = (message: string): string =>
  message.replace(/`([a-z][A-Za-z]*)(?:: ([^`]*))?`/g, (_, option: string, value = '') => {
    const flag = (renamed[option] ?? option).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return `--${flag} ${flagValue(value)}`.trim();
  });

const flagValue = (code: string): string =>
  code === 'true'
    ? ''
    : code.replace(/^'(.*)'$/, '$1').replace(/^\[(.*)\]$/, (_, sides: string) => sides.replace(/, /g, 'x'));
