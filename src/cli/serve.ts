import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { usableMemory } from '../backends/hostMemory.js';
import { isFile, isFolder } from '../data/files.js';
import { UserError } from '../errors.js';
import { formatBytes } from '../report/format.js';
import type { ServerSettings } from '../server/settings.js';
import { defaultLimits } from '../server/settings.js';
import { sizePattern } from '../server/sizes.js';
import { cameraSource, isStreamAddress, loopedSource, sourceOf } from '../stream/source.js';
import type { DeviceFlags, PrecisionFlags } from './device.js';
import { deviceOptions, openBackend, precisionOption } from './device.js';
import { real, threadsOption, whole } from './options.js';
import { version } from './version.js';

interface ServeFlags extends DeviceFlags, PrecisionFlags {
  readonly host: string;
  readonly port: number;
  readonly models?: string;
  readonly runs?: string;
  readonly threads: number;
  readonly token?: string;
  readonly cors: readonly string[];
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly maxWaiting: number;
  readonly memory?: number;
  readonly timeout: number;
  readonly grace: number;
  readonly stream: NonNullable<ServerSettings['streams']>;
  readonly streamSize: string;
  readonly maxVideos: number;
  readonly maxVideoBytes: number;
  readonly ffmpeg?: string;
  readonly log: ServerSettings['logLevel'];
}

const mebibyte = 2 ** 20;
/** The page, where it has been built. */
const site = fileURLToPath(new URL('../../site', import.meta.url));

/** `512M`, `2G`, or bytes. */
function bytes(text: string): number {
  const found = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(text.trim());
  const unit = { '': 1, k: 2 ** 10, m: mebibyte, g: 2 ** 30 }[found?.[2].toLowerCase() ?? ''];
  const value = found && unit ? Math.round(Number(found[1]) * unit) : Number.NaN;
  if (value >= 1 && value <= Number.MAX_SAFE_INTEGER) return value;
  throw new InvalidArgumentError('Expected a size such as 512M or 2G.');
}

/** `NAME=SOURCE`, added to those before. */
function stream(
  text: string,
  list: NonNullable<ServerSettings['streams']> = [],
): NonNullable<ServerSettings['streams']> {
  const [, name, from] = /^([\w.-]{1,60})=(.+)$/.exec(text) ?? [];
  if (!name || list.some((other) => other.name === name)) {
    throw new InvalidArgumentError(
      'Expected NAME=SOURCE with a name of its own, such as yard=rtsp://camera/1.',
    );
  }
  const camera = /^camera:(.+)$/.exec(from)?.[1];
  const opened = camera !== undefined ? cameraSource(camera) : sourceOf(from);
  if (opened.kind === 'pipe') throw new InvalidArgumentError('A server reads no standard input.');
  const local = opened.kind === 'file' && !isStreamAddress(from);
  if (local && !isFile(from)) throw new InvalidArgumentError(`${from} is no video, address or camera:N.`);
  return [...list, { name, source: local ? loopedSource(from) : { ...opened, kind: 'live' } }];
}

function streamSize(text: string): string {
  if (sizePattern.test(text)) return text;
  throw new InvalidArgumentError('Expected auto, own or HEIGHTxWIDTH, such as 360x480.');
}

export function serveCommand(): Command {
  const command = new Command('serve')
    .summary('answer over HTTP, with a page for people')
    .description(
      'Serves models over HTTP: POST pictures to /v1/segment, tensors to /v2/models/NAME/infer (Open Inference Protocol ' +
        'v2), health under /v2/health, Prometheus metrics under /metrics, the whole interface under /docs. Listens on this ' +
        'machine only, unless --host says otherwise.',
    )
    .option('--host <address>', 'where to listen; 0.0.0.0 is every network of this machine', '127.0.0.1')
    .addOption(new Option('--port <n>', '0: any free one').argParser(whole(0, 65535)).default(8080))
    .option(
      '--models <dir>',
      'folder of models: NAME.safetensors, NAME/VERSION/*.safetensors, or run folders (default: the model that comes with vnet)',
    )
    .option('--runs <dir>', 'folder of run folders of vnet train, which the page shows while they train')
    .addOption(
      new Option('--token <text>', 'clients must send it as Authorization: Bearer').env('VNET_TOKEN'),
    )
    .addOption(
      new Option('--cors <origin>', 'pages of this origin may call; repeat for more')
        .argParser((text, list: readonly string[] = []) => [...list, text])
        .default([], 'none'),
    )
    .addOption(
      new Option('--max-bytes <size>', 'of one request')
        .argParser(bytes)
        .default(defaultLimits.bytes, `${defaultLimits.bytes / mebibyte}M`),
    )
    .addOption(
      new Option('--max-pixels <n>', 'of one picture').argParser(whole(1024)).default(defaultLimits.pixels),
    )
    .addOption(
      new Option('--max-waiting <n>', 'pictures that may wait; more are answered with 429')
        .argParser(whole(1, 100_000))
        .default(defaultLimits.waiting),
    )
    .addOption(
      new Option(
        '--memory <size>',
        'for the arenas of all models and sizes (default: half of what is free)',
      ).argParser(bytes),
    )
    .addOption(
      new Option('--timeout <seconds>', 'from the first byte of a request to the start of its computation')
        .argParser(real(0.1, 3600))
        .default(defaultLimits.seconds),
    )
    .addOption(
      new Option('--grace <seconds>', 'a stop waits so long for what runs')
        .argParser(real(0, 3600))
        .default(30),
    )
    .addOption(
      new Option('--log <level>', 'JSON lines on stderr')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addOption(
      new Option(
        '--stream <name=source>',
        'show it live under /streams: rtsp://… or another address, camera:0, or a video that is played in a loop; repeat for more',
      )
        .argParser(stream)
        .default([], 'none'),
    )
    .addOption(
      new Option('--stream-size <size>', 'what the network sees of live frames: auto, own or HEIGHTxWIDTH')
        .argParser(streamSize)
        .default('auto'),
    )
    .addOption(
      new Option('--max-videos <n>', 'uploaded videos computed at a time; more are answered with 429')
        .argParser(whole(0, 1000))
        .default(defaultLimits.videos),
    )
    .addOption(
      new Option('--max-video-bytes <size>', 'of one uploaded video')
        .argParser(bytes)
        .default(defaultLimits.videoBytes, `${defaultLimits.videoBytes / mebibyte}M`),
    )
    .option('--ffmpeg <path>', 'the ffmpeg program (default: the one in PATH)')
    .addOption(threadsOption());
  for (const option of [...deviceOptions(), precisionOption()]) command.addOption(option);
  return command
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  vnet serve\n' +
        '  vnet serve --runs runs/\n' +
        "  curl --data-binary @street.jpg -H 'Accept: image/jpeg' http://127.0.0.1:8080/v1/segment -o overlay.jpg\n" +
        '  vnet serve --stream yard=rtsp://camera.local/stream --stream-size own\n' +
        '  VNET_TOKEN=secret vnet serve --host 0.0.0.0 --models models/ --memory 2G',
    )
    .action(run);
}

async function run(flags: ServeFlags): Promise<void> {
  const { startServer } = await loadServer();
  if (flags.runs !== undefined && !isFolder(flags.runs)) {
    throw new UserError(
      `--runs ${flags.runs}: no such folder; expected one that holds run folders of vnet train`,
      2,
    );
  }
  const memory = flags.memory ?? Math.floor(usableMemory() / 2);
  const server = await startServer(
    {
      host: flags.host,
      port: flags.port,
      models: flags.models,
      runs: flags.runs,
      backend: await openBackend(flags),
      threads: flags.threads,
      precision: flags.precision,
      token: flags.token || undefined,
      cors: flags.cors,
      streams: flags.stream,
      streamSize: flags.streamSize,
      ffmpeg: flags.ffmpeg,
      site: existsSync(site) ? site : undefined,
      grace: flags.grace,
      logLevel: flags.log,
      limits: {
        ...defaultLimits,
        bytes: flags.maxBytes,
        bodies: Math.max(defaultLimits.bodies, flags.maxBytes),
        pixels: flags.maxPixels,
        waiting: flags.maxWaiting,
        videos: flags.maxVideos,
        videoBytes: flags.maxVideoBytes,
        seconds: flags.timeout,
        memory,
      },
    },
    version(),
  );
  process.stdout.write(
    `${server.url} (interface: ${server.url}/docs; at most ${formatBytes(memory)} for models)${flags.stream.length > 0 ? `; live: ${server.url}/streams` : ''}; Ctrl-C stops\n`,
  );
  await stopAsked();
  process.stdout.write('finishing what runs; once more ends at once\n');
  await server.stop();
}

/** What the server is made of is optional: an application that only segments does not install it. */
async function loadServer(): Promise<typeof import('../server/index.js')> {
  try {
    return await import('../server/index.js');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const missing = /package '([^']+)'/.exec(message)?.[1] ?? 'a package';
    throw new UserError(
      `vnet serve: the optional package '${missing}' is not installed; npm install ${missing}`,
    );
  }
}

/** Resolves at the first signal to end; the second ends the process as the system does. */
const stopAsked = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
