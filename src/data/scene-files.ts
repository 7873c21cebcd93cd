import path from 'node:path';
import { type LabelImage, type RgbImage, writeInstancePng, writeLabelPng, writeRgbPng } from './image.js';
import { drawScene } from './scene/scene.js';
import type { SceneLight } from './scene/weather.js';

/** A procedural street scene with its ground truth. */
export interface Scene {
  image: RgbImage;
  /** Cityscapes labelIds (not train ids). */
  labels: LabelImage;
  /** labelId · 1000 + number for things, the labelId otherwise: what Cityscapes' instanceIds files hold. */
  instances: { width: number; height: number; data: Uint16Array };
}

/**
 * Renders scene `index` of the endless set `seed`: the same bytes every time, the same scene at every size.
 * Rare things take turns: six scenes in a row nearly always hold all 19 Cityscapes classes, twenty hold each
 * several times (at sizes from about 128×256; smaller pictures lose poles and lights).
 */
export function renderScene(
  seed: number,
  index: number,
  height: number,
  width: number,
  light: SceneLight = 'day',
): Scene {
  const canvas = drawScene(seed, index, height, width, light);
  const { rgb, labels, instances } = canvas;
  return {
    image: { width, height, data: new Uint8Array(rgb.buffer) },
    labels: { width, height, data: labels },
    instances: { width, height, data: instances },
  };
}

/** Draw one scene and write its files. */
export interface SceneTask {
  kind: 'scene';
  out: string;
  split: string;
  seed: number;
  index: number;
  height: number;
  width: number;
  light: SceneLight;
}

/** Where the files of a scene are. */
export function sceneFiles(out: string, split: string, index: number) {
  const name = `synth_000000_${String(index).padStart(6, '0')}`;
  return {
    image: path.join(out, 'leftImg8bit', split, 'synth', `${name}_leftImg8bit.png`),
    labels: path.join(out, 'gtFine', split, 'synth', `${name}_gtFine_labelIds.png`),
    instances: path.join(out, 'gtFine', split, 'synth', `${name}_gtFine_instanceIds.png`),
  };
}

/** Runs a {@link SceneTask}. Labels are written last, so a scene with labels is whole. */
export async function writeScene(task: SceneTask): Promise<Record<string, never>> {
  const files = sceneFiles(task.out, task.split, task.index);
  const { seed, index, height, width, light } = task;
  const { image, labels, instances } = renderScene(seed, index, height, width, light);
  await Promise.all([writeRgbPng(files.image, image, 4), writeInstancePng(files.instances, instances)]);
  await writeLabelPng(files.labels, labels);
  return {};
}
