// Keeps the page for use without a network, and makes it cross-origin isolated where the host sets no headers, so that
// threads may share memory. `files` and `version` are filled in by the build.
const version = '__VERSION__';
const files = __FILES__;

const isolated = (response) => {
  if (response.status === 0 || response.type === 'opaque') return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
};

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(version)
      .then((cache) => cache.addAll(files.map((file) => new Request(file, { cache: 'reload' }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== version) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(old());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const own = url.href.startsWith(self.registration.scope);
  if (request.method !== 'GET' || !own) return;
  const answer = async () => {
    const page = request.mode === 'navigate' && url.href.replace(/[?#].*$/, '') === self.registration.scope;
    const kept = await caches.match(page ? './' : request, { ignoreSearch: page, cacheName: version });
    return isolated(kept ?? (await fetch(request)));
  };
  event.respondWith(answer());
});
