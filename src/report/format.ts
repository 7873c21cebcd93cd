/** Numbers as people read them. Every function gives one short word group without line breaks. */

const digits = (value: number, fraction: number): string =>
  value.toLocaleString('en-US', {
    minimumFractionDigits: fraction,
    maximumFractionDigits: fraction,
    useGrouping: false,
  });

/** Three significant digits, at most two after the point: `1.23`, `12.3`, `123`. */
function short(value: number): string {
  const size = Math.abs(value);
  return digits(value, size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** `482.5 MiB`, `1.51 GiB`, `34 KiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 2 ** 20) return `${digits(bytes / 1024, 0)} KiB`;
  if (bytes < 2 ** 30) return `${digits(bytes / 2 ** 20, 1)} MiB`;
  return `${digits(bytes / 2 ** 30, 2)} GiB`;
}

/** MiB with one digit, without unit, for columns headed `MiB`. */
export const formatMiB = (bytes: number): string => digits(bytes / 2 ** 20, 1);

/** GFLOP with at most two digits, without unit, for columns headed `GFLOP`. */
export const formatGiga = (flops: number): string => (flops === 0 ? '–' : digits(flops / 1e9, 2));

/** `163 K`, `1.64 K`, `12`. */
export function formatCount(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_500) return `${short(count / 1000)} K`;
  return `${short(count / 1e6)} M`;
}

/** `163 091`: groups of three with thin gaps that no locale misreads. */
export const formatExact = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

/** `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 03 min`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds < 9.95 ? digits(seconds, 1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const pad = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** `2.35 images/s`; slower than one a second as `6.2 s/image`. */
export function formatRate(perSecond: number): string {
  if (!(perSecond > 0)) return '– images/s';
  return perSecond < 0.5 ? `${short(1 / perSecond)} s/image` : `${short(perSecond)} images/s`;
}

/** A score in [0, 1] as a percentage without sign: `56.2`; a score that does not exist is a dash. */
export const formatScore = (score: number | undefined | null): string =>
  score === undefined || score === null ? '–' : digits(100 * score, 1);
