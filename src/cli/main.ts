import { runCli } from './program.js';
import { guardOutputs } from './terminal.js';

// A closed pipe (`vnet plan | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  if (error.code !== 'EIO') throw error;
});

// A terminal that is gone (a closed connection) must not end what still has to be saved.
process.stderr.on('error', () => undefined);

guardOutputs();
process.exitCode = await runCli(process.argv.slice(2));
