// Makes `npx vnet` work inside this checkout: npm links the commands of dependencies, not the package's own.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';

new Command('link-bin')
  .description('Makes `npx vnet` work inside this checkout.')
  .allowExcessArguments(false)
  .parse();

if (existsSync('node_modules')) {
  const link = 'node_modules/.bin/vnet';
  mkdirSync('node_modules/.bin', { recursive: true });
  rmSync(link, { force: true });
  if (process.platform === 'win32')
    writeFileSync(`${link}.cmd`, '@node "%~dp0\\..\\..\\bin\\vnet.js" %*\r\n');
  else symlinkSync('../../bin/vnet.js', link);
}
