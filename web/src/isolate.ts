const reloaded = 'vnet-isolated';

/**
 * Registers the service worker, which keeps the page for use offline. Where the host sends no headers that isolate the
 * page, it sends them itself from the next load on: then loads again, once.
 */
export async function isolate(): Promise<void> {
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  try {
    await navigator.serviceWorker.register('./sw.js');
    await navigator.serviceWorker.ready;
  } catch {
    // No storage, or a private window: the page works, with one thread and not offline.
    return;
  }
  if (crossOriginIsolated) {
    sessionStorage.removeItem(reloaded);
    return;
  }
  if (sessionStorage.getItem(reloaded)) return;
  sessionStorage.setItem(reloaded, '1');
  location.reload();
}
