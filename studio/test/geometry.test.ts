import { expect, test } from "vitest";
import { NO_EDGES, dragEdge, fit, keepInSight, pan, pinch, toPicture, toScreen, zoomAt } from "../src/geometry";

const stage = { width: 800, height: 600 };
const picture = { width: 200, height: 100 };

test("a fitted picture touches the margins of its longer side and is centered", () => {
  const view = fit(stage, picture, { left: 20, right: 20, top: 10, bottom: 50 });
  expect(view.scale).toBeCloseTo(760 / 200);
  expect(view.x).toBeCloseTo(20);
  expect(view.y + (view.scale * 100) / 2).toBeCloseTo(10 + (600 - 60) / 2);
});

test("a fit leaves room for new edges", () => {
  const view = fit(stage, picture, NO_EDGES, { left: 200, top: 0, right: 0, bottom: 0 });
  expect(view.scale).toBeCloseTo(2);
  expect(toScreen(view, { x: -200, y: 0 }).x).toBeCloseTo(0);
});

test("zooming holds the point below the pointer, whatever the order", () => {
  let view = fit(stage, picture);
  const at = { x: 123, y: 321 };
  const before = toPicture(view, at);
  for (const factor of [1.5, 3, 0.2]) view = zoomAt(view, at, factor);
  expect(toPicture(view, at).x).toBeCloseTo(before.x);
  expect(toPicture(view, at).y).toBeCloseTo(before.y);
});

test("zoom has ends", () => {
  const view = fit(stage, picture);
  expect(zoomAt(view, { x: 0, y: 0 }, 1e9).scale).toBe(64);
  expect(zoomAt(view, { x: 0, y: 0 }, 1e-9).scale).toBe(0.02);
});

test("a picture that is pushed away stays in sight", () => {
  const far = keepInSight(pan(fit(stage, picture), 5000, -5000), stage, picture);
  expect(far.x).toBeLessThan(stage.width);
  expect(far.y + far.scale * picture.height).toBeGreaterThan(0);
  const still = fit(stage, picture);
  expect(keepInSight(still, stage, picture)).toEqual(still);
});

test("two fingers carry what is below them", () => {
  const view = { scale: 2, x: 10, y: 20 };
  const from = [{ x: 100, y: 100 }, { x: 200, y: 100 }] as const;
  const to = [{ x: 50, y: 180 }, { x: 350, y: 180 }] as const;
  const after = pinch(view, [...from], [...to]);
  for (const i of [0, 1]) {
    const now = toPicture(after, to[i]);
    const before = toPicture(view, from[i]);
    expect(now.x).toBeCloseTo(before.x);
    expect(now.y).toBeCloseTo(before.y);
  }
});

test("edges are whole, not negative and not endless", () => {
  expect(dragEdge(NO_EDGES, "left", 12.4, 100).left).toBe(12);
  expect(dragEdge(NO_EDGES, "top", -5, 100).top).toBe(0);
  expect(dragEdge(NO_EDGES, "right", 500, 100)).toEqual({ ...NO_EDGES, right: 100 });
});
