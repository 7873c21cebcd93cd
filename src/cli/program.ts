import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { UserError } from '../errors.js';
import { compareCommand } from './compare.js';
import { dataCommand } from './data.js';
import { demoCommand } from './demo.js';
import { evalCommand } from './eval.js';
import { importCommand } from './import.js';
import { infoCommand } from './info.js';
import { planCommand } from './plan.js';
import { predictCommand } from './predict.js';
import { synthCommand } from './synth.js';
import { trainCommand } from './train.js';

/** Version from the package file, which lies above both `src/cli` and `build/src/cli`. */
function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The whole command line as a commander program; `runCli` runs it. */
export function createProgram(): Command {
  const program = new Command('vnet')
    .description(
      'Train and run VNet, real-time semantic segmentation at full resolution, on CPU cores or a GPU.',
    )
    .version(version(), '-V, --version', 'print the version')
    .addHelpText(
      'after',
      '\nFirst steps:\n' +
        '  vnet demo                                     two minutes from nothing to a report\n' +
        '  vnet plan --size 1024x2048 --batch 4          memory and work, before anything runs\n' +
        '  vnet train --data DIR --out runs/first        train on your data\n' +
        '  vnet predict photo.jpg --model runs/first     segment a picture\n\n' +
        'Exit codes: 0 done, 1 the run failed, 2 wrong usage.',
    );
  const commands = [
    demoCommand(),
    trainCommand(),
    evalCommand(),
    predictCommand(),
    planCommand(),
    compareCommand(),
    infoCommand(),
    importCommand(),
    synthCommand(),
    dataCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of withSubcommands(program)) prepare(command);
  return program;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => withSubcommands(child))];
}

/** What every command shares: one-line errors, no `process.exit` inside, the same look of help. */
function prepare(command: Command): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ styleTitle: (text) => pc.bold(text), showGlobalOptions: false })
    .configureOutput({ outputError: () => undefined });
  if (command.commands.length > 0) command.helpCommand(false);
}

/**
 * Runs the command line `args` (without node and script).
 * @returns the exit code: 0 done, 1 the run failed, 2 wrong usage. Errors are one line on stderr.
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // Help that nobody asked for was printed because a command is missing.
      if (error.code === 'commander.help') return 2;
      complain(usageMessage(error));
      return 2;
    }
    if (error instanceof UserError) {
      complain(error.message);
      traceIfAsked(error);
      return error.exitCode;
    }
    const message = error instanceof Error ? error.message || error.name : String(error);
    complain(`${message} (unexpected; VNET_DEBUG=1 shows the trace)`);
    traceIfAsked(error);
    return 1;
  }
}

/** Commander's message in one line: its suggestion goes into brackets. */
function usageMessage(error: CommanderError): string {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const hint = rest.map((line) => line.trim().replace(/^\((.*)\)$/, '$1')).filter(Boolean);
  return hint.length > 0 ? `${first} (${hint.join(' ')})` : first;
}

function complain(message: string): void {
  const line = message.replace(/\s*\n\s*/g, ' ');
  process.stderr.write(`${pc.red('vnet:')} ${line}\n`);
}

function traceIfAsked(error: unknown): void {
  if (process.env.VNET_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
}
