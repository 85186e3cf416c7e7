/** The canvas: source, mask and result in one place, with zoom, pan and compare. */

import { h } from "./dom";
import {
  type Edges,
  type Point,
  type View,
  NO_EDGES,
  fit,
  keepInSight,
  pan,
  pinch,
  toPicture,
  toScreen,
  zoomAt,
} from "./geometry";

export interface Painter {
  /** Whether a press paints now, instead of moving the picture. */
  active: boolean;
  start(at: Point, pressure: number): void;
  move(at: Point, pressure: number): void;
  stop(): void;
  /** Wheel with Control: change the size. */
  resize(steps: number): void;
  /** Whether a press on the result makes it the source and paints on it. */
  adopts: boolean;
  adopt(): void;
  /** How much of the top of the stage its bar covers. */
  covers: number;
  /** Radius in picture pixels, for the ring. */
  radius: number;
  color: string;
}

type Shown = "source" | "result" | "split";

const PIXELATED = 8;
const STEP = 40;

export class Stage {
  readonly source = h("img", { class: "layer source", alt: "", draggable: "false" });
  readonly result = h("img", { class: "layer result", alt: "", draggable: "false" });
  readonly drawing = h("div", { class: "layer drawing" });
  readonly overlay = h("canvas", { class: "layer overlay", "aria-hidden": "true" });
  readonly frame = h("div", { class: "frame" });
  private readonly ring = h("div", { class: "ring" });
  private readonly divider = h("input", {
    type: "range", class: "divider", min: 0, max: 100, value: 50, step: 0.5,
    "aria-label": "Compare: share of the source", oninput: () => this.paint(),
  });
  readonly world = h("div", { class: "world" }, this.frame, this.source, this.result, this.drawing, this.overlay);
  readonly el = h(
    "div",
    { class: "stage-view", tabindex: 0, role: "application", "aria-label": "Canvas. Arrow keys move, plus and minus zoom." },
    this.world, this.divider, this.ring,
  );

  size = { width: 0, height: 0 };
  edges: Edges = NO_EDGES;
  view: View = { scale: 1, x: 0, y: 0 };
  shown: Shown = "source";
  painter: Painter | null = null;
  onview: () => void = () => {};
  private resultEdges: Edges = NO_EDGES;
  private hasResult = false;
  private fitted = true;
  private held = false;
  private spaced = false;
  private painting = false;
  private fingers = new Map<number, Point>();
  private cursor: Point | null = null;

  constructor() {
    new ResizeObserver(() => (this.fitted ? this.fit() : this.paint())).observe(this.el);
    this.el.addEventListener("pointerdown", (event) => this.down(event));
    this.el.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"] as const) {
      this.el.addEventListener(name, (event) => this.up(event));
    }
    this.el.addEventListener("pointerleave", () => this.showRing(null));
    this.el.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.el.addEventListener("keydown", (event) => this.key(event));
    this.el.addEventListener("blur", () => this.showRing(null));
    window.addEventListener("keyup", (event) => {
      if (event.code === "Space") this.setSpaced(false);
    });
  }

  /** A new source; one of the same size keeps the view. */
  setSource(url: string | null, width = 0, height = 0, name = ""): void {
    if (width !== this.size.width || height !== this.size.height) this.fitted = true;
    this.size = { width, height };
    this.world.hidden = !width;
    this.source.hidden = !url;
    if (url) this.source.src = url;
    this.source.alt = name && `The picture ${name}`;
    this.edges = NO_EDGES;
    this.setResult(null);
    this.refresh();
  }

  /** Show a picture over the source; its edges say how far it reaches beyond. */
  setResult(url: string | null, edges: Edges = NO_EDGES, name = "The result"): void {
    this.drawing.replaceChildren();
    this.result.hidden = !url;
    if (url) this.result.src = url;
    this.result.alt = url ? name : "";
    this.gotResult(!!url, edges);
  }

  setDrawing(svg: SVGSVGElement | null): void {
    this.result.hidden = true;
    this.drawing.replaceChildren(...(svg ? [svg] : []));
    this.gotResult(!!svg, NO_EDGES);
  }

  private gotResult(has: boolean, edges: Edges): void {
    const first = has !== this.hasResult;
    this.hasResult = has;
    this.resultEdges = edges;
    if (first || !has) this.shown = has ? "result" : "source";
    this.paint();
  }

  get comparable(): boolean {
    return this.hasResult && !!this.source.src && !this.source.hidden;
  }

  show(what: Shown): void {
    this.shown = this.hasResult ? what : "source";
    this.paint();
  }

  /** While a key or a button is held, the source is shown. */
  hold(on: boolean): void {
    if (this.held !== on) {
      this.held = on;
      this.paint();
    }
  }

  setEdges(edges: Edges): void {
    this.edges = edges;
    this.paint();
  }

  get box(): { width: number; height: number } {
    return { width: this.el.clientWidth, height: this.el.clientHeight };
  }

  /** Room that bars take. */
  private get margins(): Edges {
    const side = this.box.width < 600 ? 10 : 20;
    return { left: side, right: side, top: Math.max(this.painter?.covers ?? 0, side), bottom: 60 };
  }

  fit(): void {
    this.fitted = true;
    if (this.size.width) {
      const grown = this.shown === "result" ? this.resultEdges : this.edges;
      this.view = fit(this.box, this.size, this.margins, grown);
    }
    this.paint();
  }

  zoom(factor: number, at: Point = { x: this.box.width / 2, y: this.box.height / 2 }): void {
    this.setView(zoomAt(this.view, at, factor));
  }

  zoomTo(scale: number): void {
    this.zoom(scale / this.view.scale);
  }

  private setView(view: View): void {
    if (!this.size.width) return;
    this.fitted = false;
    this.view = keepInSight(view, this.box, this.size);
    this.paint();
  }

  /** Put everything where it belongs. */
  private paint(): void {
    const { view, size } = this;
    const style = this.world.style;
    style.width = `${size.width}px`;
    style.height = `${size.height}px`;
    style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    this.world.classList.toggle("pixels", view.scale >= PIXELATED && size.width > 256);
    const showing = this.held ? "source" : this.shown;
    const split = showing === "split";
    const share = Number(this.divider.value);
    const grown = this.resultEdges;
    place(this.result, grown, 0);
    place(this.frame, this.edges, 0);
    this.frame.hidden = !Object.values(this.edges).some(Boolean) || this.shown === "result";
    this.source.style.visibility = showing === "result" ? "hidden" : "visible";
    for (const layer of [this.result, this.drawing]) {
      layer.style.visibility = showing === "source" ? "hidden" : "visible";
    }
    const left = (share / 100) * size.width;
    this.source.style.clipPath = split ? `inset(0 ${size.width - left}px 0 0)` : "";
    this.result.style.clipPath = split ? `inset(0 0 0 ${left + grown.left}px)` : "";
    this.drawing.style.clipPath = split ? `inset(0 0 0 ${left}px)` : "";
    this.overlay.style.visibility = showing === "source" && !this.held ? "visible" : "hidden";
    this.divider.hidden = !split;
    const corner = toScreen(view, { x: 0, y: 0 });
    this.divider.style.left = `${corner.x}px`;
    this.divider.style.width = `${size.width * view.scale}px`;
    this.divider.style.setProperty("--at", `${share}%`);
    this.divider.style.setProperty("--top", `${corner.y}px`);
    this.divider.style.setProperty("--high", `${size.height * view.scale}px`);
    this.el.classList.toggle("paints", this.paints());
    this.el.classList.toggle("grabs", !this.paints());
    this.showRing(this.cursor);
    this.onview();
  }

  refresh(): void {
    if (this.fitted) this.fit();
    else this.paint();
  }

  private paints(): boolean {
    const { painter } = this;
    if (!painter?.active || this.spaced || !this.size.width) return false;
    return this.shown !== "split";
  }

  private setSpaced(on: boolean): void {
    if (this.spaced !== on) {
      this.spaced = on;
      this.paint();
    }
  }

  private at(event: { clientX: number; clientY: number }): Point {
    const box = this.el.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  private down(event: PointerEvent): void {
    if ((event.target as Element).closest("input, button, .handle")) return;
    if (!this.size.width || event.button > 1) return;
    event.preventDefault();
    this.el.focus({ preventScroll: true });
    this.el.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.at(event));
    if (this.fingers.size > 1) this.stopPainting();
    else if (this.paints() && event.button === 0) {
      if (this.shown === "result" && this.painter!.adopts) this.painter!.adopt();
      else this.show("source"); // what is painted over is the source
      this.painting = true;
      this.painter!.start(toPicture(this.view, this.at(event)), pressure(event));
    } else this.el.classList.add("grabbing");
  }

  private moved(event: PointerEvent): void {
    const at = this.at(event);
    if (event.pointerType !== "touch" || this.painting) this.showRing(at);
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    if (this.painting) {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) {
        this.painter!.move(toPicture(this.view, this.at(each)), pressure(each));
      }
    } else if (this.fingers.size === 2) {
      const [other] = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      this.setView(pinch(this.view, [before, other], [at, other]));
    } else this.setView(pan(this.view, at.x - before.x, at.y - before.y));
    this.fingers.set(event.pointerId, at);
  }

  private up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    this.stopPainting();
    if (!this.fingers.size) this.el.classList.remove("grabbing");
    if (event.pointerType === "touch") this.showRing(null);
  }

  private stopPainting(): void {
    if (this.painting) this.painter!.stop();
    this.painting = false;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    if (event.ctrlKey && this.paints()) return this.painter!.resize(event.deltaY < 0 ? 1 : -1);
    const unit = event.deltaMode ? 30 : 1;
    this.zoom(Math.exp((-event.deltaY * unit) / (event.ctrlKey ? 100 : 400)), this.at(event));
  }

  /** Arrows move the picture, or the brush while one paints; Enter puts a dab, Shift draws a line. */
  private key(event: KeyboardEvent): void {
    if (event.target !== this.el || event.altKey || event.ctrlKey || event.metaKey) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.code === "Space") this.setSpaced(true);
    else if (event.key === "Enter" && this.paints()) this.line(this.brushAt(), this.brushAt());
    else if (way && this.paints()) {
      const from = this.brushAt();
      const step = Math.max(this.painter!.radius * this.view.scale * 0.5, 4);
      const to = { x: from.x + way[0] * step, y: from.y + way[1] * step };
      this.showRing(to);
      if (event.shiftKey) this.line(from, to);
    } else if (way) this.setView(pan(this.view, -way[0] * STEP, -way[1] * STEP));
    else return;
    event.preventDefault();
  }

  private brushAt(): Point {
    return this.cursor ?? toScreen(this.view, { x: this.size.width / 2, y: this.size.height / 2 });
  }

  private line(from: Point, to: Point): void {
    this.showRing(to);
    if (this.shown === "result") this.painter!.adopt();
    this.painter!.start(toPicture(this.view, from), 1);
    if (from !== to) this.painter!.move(toPicture(this.view, to), 1);
    this.painter!.stop();
  }

  private showRing(at: Point | null): void {
    this.cursor = at;
    this.ring.hidden = !at || !this.paints();
    if (this.ring.hidden || !at) return;
    const radius = this.painter!.radius * this.view.scale;
    const style = this.ring.style;
    style.width = style.height = `${2 * radius}px`;
    style.transform = `translate(${at.x - radius}px, ${at.y - radius}px)`;
    style.borderColor = this.painter!.color;
  }
}

/** Pens press more or less; mice and fingers always fully. */
function pressure(event: PointerEvent): number {
  return event.pointerType === "pen" && event.pressure ? event.pressure : 1;
}

function place(element: HTMLElement, edges: Edges, extra: number): void {
  element.style.inset = [edges.top, edges.right, edges.bottom, edges.left]
    .map((each) => `${-each - extra}px`)
    .join(" ");
  element.style.width = `calc(100% + ${edges.left + edges.right}px)`;
  element.style.height = `calc(100% + ${edges.top + edges.bottom}px)`;
}
