import { spawnSync } from 'node:child_process';

/** Why tests with ffmpeg are skipped, where it is missing. */
export const noFfmpeg =
  spawnSync('ffmpeg', ['-version']).status === 0 ? false : 'ffmpeg is not on this machine';

/** Runs ffmpeg, quietly. */
export function ffmpeg(...args: string[]): void {
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-y', ...args]);
  if (status !== 0) throw new Error(`ffmpeg ${args.join(' ')}: ${stderr}`);
}

/** One value of `ffprobe -show_entries`. */
export function probed(file: string, entries: string, ...args: string[]): string[] {
  const { stdout } = spawnSync('ffprobe', [
    ...['-v', 'error', '-count_frames', ...args, '-show_entries', entries, '-of', 'csv=p=0', file],
  ]);
  return stdout.toString().trim().split(/\s+/);
}

/** Times of the frames of a video in seconds, in order. */
export const frameTimes = (file: string): number[] =>
  probed(file, 'frame=pts_time', '-select_streams', 'v:0')
    .map((text) => Number(text.split(',')[0]))
    .sort((a, b) => a - b);

/** A moving picture of the given size, with sound. */
export function clip(file: string, size: string, seconds: number, ...more: string[]): void {
  ffmpeg(
    ...['-f', 'lavfi', '-i', `testsrc=size=${size}:rate=25:duration=${seconds}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv444p', '-c:a', 'aac', ...more, file],
  );
}
