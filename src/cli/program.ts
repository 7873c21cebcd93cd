import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { UserError } from '../errors.js';
import pc from './colour.js';
import { withFlags } from './flags.js';
import { Stopped } from './stopped.js';
import { printable } from './terminal.js';
import { version } from './version.js';

/** Each command's own module, loaded only when it is asked for: `predict` does not wait for what reports need. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./demo.js')).demoCommand(),
  train: async () => (await import('./train.js')).trainCommand(),
  eval: async () => (await import('./eval.js')).evalCommand(),
  predict: async () => (await import('./predict.js')).predictCommand(),
  queue: async () => (await import('./queue.js')).queueCommand(),
  worker: async () => (await import('./worker.js')).workerCommand(),
  serve: async () => (await import('./serve.js')).serveCommand(),
  plan: async () => (await import('./plan.js')).planCommand(),
  bench: async () => (await import('./bench.js')).benchCommand(),
  study: async () => (await import('./study.js')).studyCommand(),
  table2: async () => (await import('./table2.js')).table2Command(),
  table3: async () => (await import('./table3.js')).table3Command(),
  fig6: async () => (await import('./fig6.js')).fig6Command(),
  compare: async () => (await import('./compare.js')).compareCommand(),
  info: async () => (await import('./info.js')).infoCommand(),
  devices: async () => (await import('./devices.js')).devicesCommand(),
  import: async () => (await import('./import.js')).importCommand(),
  adapt: async () => (await import('./adapt.js')).adaptCommand(),
  average: async () => (await import('./average.js')).averageCommand(),
  export: async () => (await import('./export.js')).exportCommand(),
  synth: async () => (await import('./synth.js')).synthCommand(),
  data: async () => (await import('./data.js')).dataCommand(),
};

/**
 * The command line as a commander program; `runCli` runs it.
 * @param args where their first word is a command, only that one is in the program.
 */
export async function createProgram(args: readonly string[] = []): Promise<Command> {
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
  const asked = args.find((arg) => !arg.startsWith('-')) ?? '';
  const loaders = Object.hasOwn(commands, asked) ? [commands[asked]] : Object.values(commands);
  for (const load of loaders) program.addCommand(await load());
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
  for (const option of command.options) {
    const what = /<(dir|file|zip|model)>/.exec(option.flags)?.[1];
    if (what && !option.parseArg) option.argParser((text) => pathGiven(text, what));
  }
}

/** An empty path would mean the working folder, or nothing. */
function pathGiven(text: string, what: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError(`Expected a ${what === 'dir' ? 'folder' : what}, not an empty name.`);
}

/**
 * Runs the command line `args` (without node and script).
 * @returns the exit code: 0 done, 1 the run failed, 2 wrong usage. Errors are one line on stderr.
 */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args);
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
      complain(withFlags(error.message));
      if (error instanceof Stopped) process.stderr.write(`  ${printable(error.command)}\n`);
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
  // Paths below an address have lost one of its slashes.
  const line = printable(message.replace(/\s*\n\s*/g, ' ').replace(/\bs3:\/(?!\/)/g, 's3://'));
  process.stderr.write(`${pc.red('vnet:')} ${line}\n`);
}

function traceIfAsked(error: unknown): void {
  if (process.env.VNET_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
}
