import { UserError } from '../errors.js';

/**
 * The library for all pictures but plain PNG and BMP, loaded when one comes: it takes 20 MB in every thread. In a file
 * of its own, as the types of others must be readable without it.
 * @throws UserError where the package, which is optional, is not installed or has no build for this machine.
 */
export async function loadSharp() {
  const { default: sharp } = await import('sharp').catch((error: Error) => {
    throw new UserError(
      `the optional package sharp cannot be loaded (${error.message.split('\n')[0]}); install it (npm install sharp) to read and write pictures other than plain PNG and BMP`,
    );
  });
  // Pools of threads are the parallelism, and caches would only hold memory.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}
