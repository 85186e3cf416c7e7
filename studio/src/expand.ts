/** New canvas around the picture: edges that are dragged, or moved by arrow keys. */

import { h } from "./dom";
import { type Edges, NO_EDGES, dragEdge, toScreen } from "./geometry";
import type { Stage } from "./stage";

const SIDES = ["left", "top", "right", "bottom"] as const;
/** How far one may expand, as a share of the picture's longer side. */
const MOST = 1;

export class Expander {
  private readonly handles = SIDES.map((side) => this.handle(side));
  readonly el = h("div", { class: "edges", hidden: true }, ...this.handles);
  private readonly label = h("span", { class: "grown" });

  constructor(private readonly stage: Stage) {
    this.el.append(this.label);
  }

  enable(on: boolean): void {
    this.el.hidden = !on || !this.stage.size.width;
    this.place();
  }

  reset(): void {
    this.stage.setEdges(NO_EDGES);
  }

  /** Pixels LEFT TOP RIGHT BOTTOM; null where nothing is added. */
  get value(): number[] | null {
    const { left, top, right, bottom } = this.stage.edges;
    return left + top + right + bottom ? [left, top, right, bottom] : null;
  }

  place(): void {
    const { view, size, edges } = this.stage;
    const a = toScreen(view, { x: -edges.left, y: -edges.top });
    const b = toScreen(view, { x: size.width + edges.right, y: size.height + edges.bottom });
    const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    const places = [[a.x, middle.y], [middle.x, a.y], [b.x, middle.y], [middle.x, b.y]];
    this.handles.forEach((handle, i) => {
      handle.style.left = `${places[i][0]}px`;
      handle.style.top = `${places[i][1]}px`;
    });
    this.label.hidden = !this.value || this.stage.shown === "result";
    this.label.textContent = `${size.width + edges.left + edges.right} × ${size.height + edges.top + edges.bottom}`;
    this.label.style.left = `${middle.x}px`;
    this.label.style.top = `${b.y}px`;
    for (const handle of this.handles) handle.hidden = this.stage.shown === "result";
  }

  private handle(side: keyof Edges): HTMLButtonElement {
    const across = side === "left" || side === "right";
    const sign = side === "left" || side === "top" ? -1 : 1;
    const handle = h("button", { type: "button", class: `handle edge ${side}`, "aria-label": `Expand the picture at the ${side}: drag, or arrow keys`, title: "Drag to expand the picture" });
    const move = (dx: number, dy: number) => {
      const most = MOST * Math.max(this.stage.size.width, this.stage.size.height);
      this.stage.setEdges(dragEdge(this.stage.edges, side, sign * (across ? dx : dy), most));
    };
    let rest = 0;
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
      rest = 0;
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      // edges are whole pixels: what is left of a small movement counts for the next
      rest += (across ? event.movementX : event.movementY) / this.stage.view.scale;
      const whole = Math.trunc(rest);
      rest -= whole;
      if (whole) move(whole, whole);
    });
    handle.addEventListener("pointerup", () => this.stage.fit());
    handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      move(way[0], way[1]);
    });
    return handle;
  }
}
