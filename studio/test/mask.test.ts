import { expect, test } from "vitest";
import { Mask } from "../src/mask";

const brush = { color: 0, radius: 4, softness: 0, erase: false };
const at = (x: number, y: number) => ({ x, y });

function stroke(mask: Mask, more: Partial<typeof brush> = {}, from = at(10, 16), to = at(22, 16)): void {
  mask.begin();
  mask.segment(from, to, { ...brush, ...more });
  mask.end();
}
const value = (mask: Mask, x: number, y: number) => mask.coverage[y * mask.width + x];

test("a stroke covers a capsule: the area of a rectangle and two half disks", () => {
  const mask = new Mask(32, 32);
  stroke(mask);
  const area = 12 * 8 + Math.PI * 16;
  expect(mask.share * 32 * 32).toBeGreaterThan(0.93 * area);
  expect(mask.share * 32 * 32).toBeLessThan(1.07 * area);
  expect(value(mask, 16, 16)).toBe(255);
  expect(value(mask, 16, 24)).toBe(0);
});

test("a soft brush falls off from the center and never adds up", () => {
  const mask = new Mask(32, 32);
  stroke(mask, { softness: 1, radius: 8 });
  const line = [16, 18, 20, 22].map((y) => value(mask, 16, y));
  expect(line).toEqual([...line].sort((a, b) => b - a));
  expect(new Set(line).size).toBe(4);
  const before = mask.coverage.slice();
  stroke(mask, { softness: 1, radius: 8 });
  expect(mask.coverage).toEqual(before);
});

test("strokes beyond the picture change nothing and are no step", () => {
  const mask = new Mask(32, 32);
  stroke(mask, {}, at(-50, -50), at(-40, -50));
  expect(mask.empty).toBe(true);
  expect(mask.canUndo).toBe(false);
});

test("a point belongs to one color; the later stroke takes it", () => {
  const mask = new Mask(32, 32);
  stroke(mask);
  stroke(mask, { color: 2 }, at(16, 10), at(16, 22));
  expect(mask.colors).toEqual([0, 2]);
  expect(mask.layer(0)[16 * 32 + 16]).toBe(0);
  expect(mask.layer(2)[16 * 32 + 16]).toBe(255);
  expect(mask.layer(0)[16 * 32 + 10]).toBe(255);
});

test("erasing takes away, of every color", () => {
  const mask = new Mask(32, 32);
  stroke(mask, { color: 1 });
  stroke(mask, { erase: true, radius: 9 });
  expect(mask.empty).toBe(true);
  expect(mask.colors).toEqual([]);
});

test("undo and redo bring back every pixel, and a new stroke ends redo", () => {
  const mask = new Mask(32, 32);
  const states = [mask.coverage.slice()];
  const steps = [() => stroke(mask), () => stroke(mask, { color: 1 }, at(3, 3), at(29, 29)), () => mask.invert(0), () => mask.fill(3), () => mask.clear()];
  for (const step of steps) {
    step();
    states.push(mask.coverage.slice());
  }
  const colors = mask.color.slice();
  for (let i = states.length - 1; i > 0; i--) {
    expect(mask.coverage).toEqual(states[i]);
    mask.undo();
  }
  expect(mask.coverage).toEqual(states[0]);
  expect(mask.canUndo).toBe(false);
  for (const _ of steps) mask.redo();
  expect(mask.coverage).toEqual(states.at(-1));
  expect(mask.color).toEqual(colors);
  mask.undo();
  stroke(mask);
  expect(mask.canRedo).toBe(false);
});

test("inverting twice is nothing; filling covers all", () => {
  const mask = new Mask(16, 16);
  stroke(mask, { softness: 0.6 }, at(8, 8), at(8, 8));
  const before = mask.coverage.slice();
  mask.invert(0);
  mask.invert(0);
  expect(mask.coverage).toEqual(before);
  mask.fill(1);
  expect(mask.share).toBe(1);
});

test("a mask from elsewhere is added, with its grey values", () => {
  const mask = new Mask(2, 1);
  mask.add([0, 128], 1);
  expect([...mask.coverage]).toEqual([0, 128]);
  expect(mask.colors).toEqual([1]);
});
