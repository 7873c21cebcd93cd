import { UserError } from '../../../errors.js';
import type { Hand, Host } from './host.js';
import type { Build } from './module.js';
import { relaxedProbe } from './module.js';

/** Where files of this package are, if they are not where bundlers put them. */
export interface Assets {
  /** A folder that has `plain.wasm`, `relaxed.wasm`, `webWorker.js` and the model under their own names. */
  readonly base?: string | URL;
  /** The bytes of `relaxed.wasm` or `plain.wasm`, instead of fetching them. */
  readonly wasm?: Uint8Array | ArrayBuffer;
}

let assets: Assets = {};

/** Says where files are, before anything is loaded. */
export function useAssets(given: Assets): void {
  assets = { ...assets, ...given };
}

/** The address of a file of this package where a folder was named for them. */
export function assetUrl(name: string): URL | undefined {
  if (assets.base === undefined) return undefined;
  const folder = new URL(assets.base, globalThis.location?.href);
  return new URL(name, folder.href.endsWith('/') ? folder : `${folder}/`);
}

/** Written out, so that bundlers find the files. */
const bundled: Readonly<Record<Build, () => URL>> = {
  plain: () => new URL('../../../../wasm/plain.wasm', import.meta.url),
  relaxed: () => new URL('../../../../wasm/relaxed.wasm', import.meta.url),
};

/**
 * Fetches a file of this package or of the page's author.
 * @throws UserError, one line that names the address and the way out.
 */
export async function fetchBytes(url: URL | string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  const failed = (why: string) =>
    new UserError(`${url}: ${why}, expected ${what}; serve the package's files and say where by \`assets\``);
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw failed(`cannot be fetched (${(error as Error).message}; another origin must allow it by CORS)`);
  }
  if (!response.ok) throw failed(`the server answered ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  // "<!DOCTYPE" or "<html": what servers of single-page apps answer for files that they do not have.
  if (bytes[0] === 0x3c) throw failed('the server answered with an HTML page');
  return bytes;
}

const warned = new Set<string>();

function warnOnce(message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  console.warn(`vnet-segmentation: ${message}`);
}

/** The first Chromium whose V8 is known to have the registers for blocks of six pixels. Other engines were not measured. */
const leastChromium = 136;

/** A browser: web workers where memory can be shared, kernels fetched. */
export const browserHost: Host = {
  cores: () => navigator.hardwareConcurrency || 1,
  // Half of the machine's memory, which browsers tell in steps up to 8 GiB.
  usableBytes: () => 2 ** 29 * ((navigator as { deviceMemory?: number }).deviceMemory ?? 8),
  hasRelaxedSimd: () => WebAssembly.validate(relaxedProbe),
  async vectors() {
    const chromium = Number(/Chrom(?:e|ium)\/(\d+)/.exec(navigator.userAgent)?.[1] ?? 0);
    return { bits: 128, pixels: chromium < leastChromium ? 4 : 6, why: 'what WebAssembly has' };
  },
  async loadModule(build) {
    const bytes = assets.wasm
      ? new Uint8Array(assets.wasm)
      : await fetchBytes(assetUrl(`${build}.wasm`) ?? bundled[build](), 'WebAssembly');
    // Not the streaming way, which insists on a MIME type.
    return WebAssembly.compile(bytes);
  },
  async threads(wanted) {
    if (!globalThis.crossOriginIsolated || typeof Worker === 'undefined') {
      if (wanted !== undefined && wanted > 1) {
        warnOnce(
          `${wanted} threads were asked for, but this page is not cross-origin isolated; one thread is used. Send the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.`,
        );
      }
      return undefined;
    }
    usable ??= firstWorker();
    return (await usable) ? start : undefined;
  },
};

/** Whether workers can be started at all; asked once. */
let usable: Promise<boolean> | undefined;
/** The worker that was started to find out. */
let tried: Worker | undefined;

function firstWorker(): Promise<boolean> {
  return new Promise((resolve) => {
    const failed = (why: string) => {
      warnOnce(
        `a worker cannot be started (${why}); one thread is used. Serve webWorker.js with the page and say where by the option assets.`,
      );
      resolve(false);
    };
    try {
      const worker = makeWorker();
      worker.onmessage = () => {
        tried = worker;
        resolve(true);
      };
      worker.onerror = ({ message }) => failed(message || 'its script cannot be loaded');
    } catch (error) {
      failed((error as Error).message);
    }
  });
}

function makeWorker(): Worker {
  const named = assetUrl('webWorker.js');
  if (named) return new Worker(named, { type: 'module' });
  return new Worker(new URL('./webWorker.js', import.meta.url), { type: 'module' });
}

function start(): Hand {
  const worker = tried ?? makeWorker();
  tried = undefined;
  return {
    post: (request) => worker.postMessage(request),
    listen(reply, lost) {
      worker.onmessage = ({ data }) => {
        // Its first word only says that it is there.
        if (data !== 'ready') reply(data);
      };
      worker.onerror = ({ message }) => lost(new Error(message || 'a worker cannot be started'));
    },
    hold: () => undefined,
    end: async () => worker.terminate(),
  };
}
