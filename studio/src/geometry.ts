/** Where the picture lies in the stage: `screen = scale * picture + (x, y)`. */

export interface View {
  scale: number;
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}
export interface Point {
  x: number;
  y: number;
}
/** Pixels around a picture. */
export interface Edges {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const NO_EDGES: Edges = { left: 0, top: 0, right: 0, bottom: 0 };
const LEAST = 0.02;
const MOST = 64;
/** How much of the picture always stays in sight, in screen pixels. */
const IN_SIGHT = 48;

/** The view in which the picture and its edges fill the stage between margins, centered. */
export function fit(stage: Size, picture: Size, margins: Edges = NO_EDGES, edges: Edges = NO_EDGES): View {
  const width = picture.width + edges.left + edges.right;
  const height = picture.height + edges.top + edges.bottom;
  const room = {
    width: Math.max(stage.width - margins.left - margins.right, 1),
    height: Math.max(stage.height - margins.top - margins.bottom, 1),
  };
  const scale = Math.min(room.width / width, room.height / height, 16);
  return {
    scale,
    x: margins.left + (room.width - scale * width) / 2 + scale * edges.left,
    y: margins.top + (room.height - scale * height) / 2 + scale * edges.top,
  };
}

/** Zoom by a factor, with a point of the screen held in its place. */
export function zoomAt(view: View, at: Point, factor: number): View {
  const scale = Math.min(Math.max(view.scale * factor, LEAST), MOST);
  const ratio = scale / view.scale;
  return { scale, x: at.x - ratio * (at.x - view.x), y: at.y - ratio * (at.y - view.y) };
}

export function pan(view: View, dx: number, dy: number): View {
  return { ...view, x: view.x + dx, y: view.y + dy };
}

/** Keep a part of the picture in sight. */
export function keepInSight(view: View, stage: Size, picture: Size): View {
  const bound = (at: number, length: number, room: number) => {
    const part = Math.min(IN_SIGHT, length);
    return Math.min(Math.max(at, part - length), room - part);
  };
  return {
    scale: view.scale,
    x: bound(view.x, view.scale * picture.width, stage.width),
    y: bound(view.y, view.scale * picture.height, stage.height),
  };
}

export function toPicture(view: View, at: Point): Point {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}

export function toScreen(view: View, at: Point): Point {
  return { x: view.scale * at.x + view.x, y: view.scale * at.y + view.y };
}

/** The view after two fingers moved from (a, b) to (c, d): what was below each stays below it. */
export function pinch(view: View, [a, b]: [Point, Point], [c, d]: [Point, Point]): View {
  const middle = (p: Point, q: Point) => ({ x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 });
  const apart = (p: Point, q: Point) => Math.max(Math.hypot(p.x - q.x, p.y - q.y), 1);
  const from = middle(a, b);
  const to = middle(c, d);
  const zoomed = zoomAt(view, from, apart(c, d) / apart(a, b));
  return pan(zoomed, to.x - from.x, to.y - from.y);
}

/** New edges after one was dragged by some picture pixels; whole and not negative. */
export function dragEdge(edges: Edges, side: keyof Edges, outward: number, most: number): Edges {
  return { ...edges, [side]: Math.round(Math.min(Math.max(edges[side] + outward, 0), most)) };
}
