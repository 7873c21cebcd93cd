import { Rng } from '../rng.js';
import { Canvas } from './canvas.js';
import { finish } from './finish.js';
import { paintGround } from './ground.js';
import { id } from './labels.js';
import { featuresOf, planStreet } from './layout.js';
import { type Camera, type Light, mix, Painter } from './painter.js';
import { palette } from './palette.js';
import { paintBackdrop, populate } from './populate.js';
import { paintSky, type Sky } from './sky.js';
import { type SceneLight, weathersOf } from './weather.js';

/** Draws scene `index` of the set `seed`; the same at every size but for what a pixel can hold, and the same street in any light. */
export function drawScene(
  seed: number,
  index: number,
  height: number,
  width: number,
  daytime: SceneLight = 'day',
): Canvas {
  const rng = Rng.of(seed, index, 1);
  const canvas = new Canvas(width, height);
  const weathers = weathersOf(daytime, Rng.of(seed, index, 4));
  // The last is the rarest.
  const weather = weathers[Math.floor(rng.next() ** 1.4 * weathers.length)];
  const camera: Camera = {
    focal: 0.55 * (width + 2 * height) * rng.range(0.92, 1.06),
    centreX: width * rng.range(0.46, 0.54),
    horizon: height * rng.range(0.4, 0.46),
    height: rng.range(1.25, 1.5),
    bend: rng.chance(0.4) ? rng.range(-0.0022, 0.0022) : rng.range(-0.0002, 0.0002),
  };
  const cover = rng.range(...weather.cover);
  const light: Light = {
    sun: weather.sun * (1.1 - 0.5 * cover),
    side: rng.chance(0.5) ? -1 : 1,
    slant: rng.range(0.3, 0.95),
    haze: mix(weather.low, [205, 212, 220], 0.55),
    visibility: rng.range(260, 600),
  };
  const sky: Sky = { ...weather, cover, phase: rng.range(0, 200) };
  const features = featuresOf(index, rng);
  const street = planStreet(features, rng);
  const painter = new Painter(canvas, camera, light);
  const items = populate(street, features, rng);
  paintSky(canvas, camera, sky);
  paintGround(painter, street);
  paintBackdrop(painter, Rng.of(seed, index, 2));
  items.sort((a, b) => b.z - a.z);
  for (const item of items) item.draw(painter);
  if (rng.chance(0.8)) paintBonnet(canvas, painter, rng);
  finish(
    canvas,
    {
      tint: weather.tint,
      exposure: rng.range(...weather.exposure),
      gamma: weather.gamma,
      noise: rng.range(1.6, 3.4),
    },
    Rng.of(seed, index, 3),
  );
  return canvas;
}

/** The bonnet of the car the camera sits in: labelled `ego vehicle`, which nobody evaluates. */
function paintBonnet(canvas: Canvas, painter: Painter, rng: Rng): void {
  const { width, height } = canvas;
  const top = height * rng.range(0.9, 0.94);
  const curve = height * 0.035;
  const points: number[] = [];
  for (let i = 0; i <= 32; i++) {
    const t = i / 32;
    points.push(width * (t * 1.04 - 0.02), top + curve * (2 * t - 1) ** 2 * (1 + (2 * t - 1) ** 2));
  }
  points.push(width * 1.02, height + 2, -width * 0.02, height + 2);
  const colour = rng.pick(palette('222428 3c4046 1e2230'));
  const glow = rng.range(0.5, 0.9);
  canvas.fill(
    points,
    {
      colour,
      // The sky mirrors in the front of the bonnet.
      shade: (x, y) =>
        1 + glow * Math.exp(-(((y - top) / height) * 28)) + 0.2 * Math.cos((x / width - 0.5) * 5),
    },
    painter.stuff(id.ego),
  );
}
