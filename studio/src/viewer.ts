/** What the canvas shows of a run: pictures, variants, drawings, models; and the bar below it. */

import { type Run, api } from "./api";
import { announce, h, icon, pressed, tool } from "./dom";
import { Points, readDrawing } from "./drawing";
import { type Edges, NO_EDGES } from "./geometry";
import { isShown, variants } from "./outcome";
import type { Stage } from "./stage";

export class Viewer {
  readonly bar: HTMLElement;
  readonly over = h("div", { class: "over", hidden: true });
  private readonly percent: HTMLButtonElement;
  private readonly buttons: Record<string, HTMLButtonElement>;
  private readonly extras: HTMLElement;
  private readonly zooms: HTMLElement;
  private run: Run | null = null;
  private pick = -1;
  private end: (() => void) | null = null;
  private drawn: SVGSVGElement | null = null;
  private points: Points | null = null;
  private changed = false;
  private shownId = 0;
  onpick: (index: number) => void = () => {};

  constructor(private readonly stage: Stage) {
    const compare = tool("compare", "Hold to see the source", "hold C", () => {});
    compare.addEventListener("pointerdown", (event) => {
      compare.setPointerCapture(event.pointerId);
      stage.hold(true);
    });
    for (const name of ["pointerup", "pointercancel", "blur"]) compare.addEventListener(name, () => stage.hold(false));
    compare.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && stage.hold(true));
    compare.addEventListener("keyup", () => stage.hold(false));
    const words = (text: string, onclick: () => void, title: string) => h("button", { type: "button", class: "tool text", title, onclick }, text);
    this.buttons = {
      source: words("Source", () => stage.show("source"), "Show the source (X)"),
      result: words("Result", () => stage.show("result"), "Show the result (X)"),
      compare,
      slider: tool("slider", "Compare with a slider", "S", () => this.toggleSlider()),
      variants: tool("grid", "All variants", "V", () => this.toggleVariants()),
      outline: tool("outline", "Outlines and points of the paths", "O", () => this.toggleOutline()),
      save: tool("download", "Save the drawing with moved points", "", () => this.save()),
      model: h("button", { type: "button", class: "tool text", title: "Model or turntable (M)", onclick: () => this.toggleModel() }, icon("cube"), "Model"),
    };
    this.percent = words("100 %", () => stage.zoomTo(1), "Zoom to 100 % (1)");
    this.percent.classList.add("percent");
    const { source, result, slider, variants: all, outline, save, model } = this.buttons;
    this.extras = h("span", { class: "group" }, h("span", { class: "pair" }, source, result), compare, slider, all, outline, save, model);
    const minus = tool("minus", "Zoom out", "−", () => stage.zoom(1 / 1.25));
    const plus = tool("plus", "Zoom in", "+", () => stage.zoom(1.25));
    for (const each of [minus, plus]) each.classList.add("wide");
    this.zooms = h("span", { class: "group" },
        minus, this.percent, plus, tool("fit", "Fit the picture", "0", () => stage.fit()));
    this.bar = h("div", { class: "bar views", role: "toolbar", "aria-label": "View" }, this.extras, this.zooms);
    stage.onview = () => this.sync();
  }

  sync(): void {
    const { stage, buttons } = this;
    this.percent.textContent = `${Math.round(100 * stage.view.scale)} %`;
    this.bar.hidden = !stage.size.width;
    const gridded = !this.over.hidden;
    const shown = (name: string, on: boolean) => (buttons[name].hidden = !on);
    const comparable = stage.comparable && !this.end;
    for (const name of ["source", "result", "slider", "compare"]) shown(name, comparable && !gridded);
    shown("variants", this.several);
    shown("outline", !!this.drawn);
    shown("save", !!this.drawn && this.changed);
    shown("model", !!this.file("mesh"));
    this.zooms.hidden = gridded;
    this.extras.hidden = Object.values(buttons).every((each) => each.hidden);
    pressed(buttons.source, stage.shown === "source");
    pressed(buttons.result, stage.shown === "result");
    pressed(buttons.slider, stage.shown === "split");
    pressed(buttons.variants, gridded && !this.end);
    pressed(buttons.model, !!this.end);
    pressed(buttons.outline, stage.drawing.classList.contains("outlines"));
    this.onview();
  }
  onview: () => void = () => {};

  private get several(): boolean {
    return (this.run?.results.filter(isShown).length ?? 0) > 1 && this.run?.task !== "reconstruct";
  }

  private file(kind: string) {
    return this.run?.results.find((each) => each.kind === kind);
  }

  /** Show a run, or the source alone. */
  async show(run: Run | null, pick: number, edges: Edges = NO_EDGES): Promise<void> {
    const id = ++this.shownId;
    this.close();
    this.run = run;
    this.pick = pick;
    this.drawn = this.points = null;
    this.changed = false;
    this.stage.drawing.classList.remove("outlines");
    if (!run) {
      this.stage.setResult(null);
      return this.sync();
    }
    const drawing = run.results[0]?.kind === "svg" ? run.results[0] : null;
    const turning = this.file("video");
    if (drawing) {
      const svg = readDrawing(await api.text(drawing.url));
      if (id !== this.shownId) return;
      this.live(svg);
      if (svg) this.attach(svg);
    } else if (turning && run.task === "reconstruct") {
      this.stage.setResult(turning.url, NO_EDGES, "Turntable of the scene");
      this.stage.show("result");
      if (this.file("mesh")) await this.openModel();
    } else {
      const several = this.several && pick < 0;
      const file = run.results[Math.max(pick, 0)];
      this.stage.setResult(file.url, edges);
      this.stage.show("result");
      if (several) this.openVariants();
    }
    this.sync();
  }

  /** Show a drawing as it is now; it may be drawn anew at each step. */
  live(svg: SVGSVGElement | null): void {
    this.drawn = null;
    // a drawing from a prompt alone has no source that says how large it is
    const box = svg?.viewBox.baseVal;
    if (box && !this.stage.size.width) this.stage.setSource(null, box.width, box.height);
    this.stage.setDrawing(svg);
    if (svg) this.stage.show("result");
  }

  private attach(svg: SVGSVGElement): void {
    this.drawn = svg;
    this.points = new Points(svg, () => {
      this.changed = true;
      this.sync();
    });
    this.stage.drawing.append(this.points.el);
  }

  close(): void {
    this.end?.();
    this.end = null;
    this.over.hidden = true;
    this.over.replaceChildren();
  }

  private openVariants(): void {
    const { run } = this;
    if (!run) return;
    this.over.replaceChildren(variants(run, (index) => {
      this.close();
      this.onpick(index);
    }));
    this.over.hidden = false;
    this.over.querySelector("button")?.focus();
    this.sync();
  }

  toggleVariants(): void {
    if (!this.several) return;
    if (!this.over.hidden && this.pick >= 0) this.close();
    else this.openVariants();
    this.sync();
  }

  toggleSlider(): void {
    if (this.stage.comparable) this.stage.show(this.stage.shown === "split" ? "result" : "split");
  }

  toggleSource(): void {
    if (this.stage.comparable) this.stage.show(this.stage.shown === "source" ? "result" : "source");
  }

  toggleOutline(): void {
    if (!this.drawn) return;
    this.stage.show("result");
    const on = this.stage.drawing.classList.toggle("outlines");
    this.points?.choose(null);
    if (on) {
      announce("Outlines. Click a path, or press N for the next one; then drag its points.");
      this.points?.step(0);
    }
    this.sync();
  }

  stepPath(by: number): void {
    if (this.stage.drawing.classList.contains("outlines")) this.points?.step(by);
  }

  private save(): void {
    if (!this.drawn) return;
    const copy = this.drawn.cloneNode(true) as SVGSVGElement;
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.removeAttribute("preserveAspectRatio");
    copy.querySelectorAll(".chosen").forEach((each) => each.classList.remove("chosen"));
    const url = URL.createObjectURL(new Blob([copy.outerHTML], { type: "image/svg+xml" }));
    h("a", { href: url, download: this.run?.results[0].download ?? "drawing.svg" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  toggleModel(): void {
    if (this.end) this.close();
    else if (this.file("mesh")) void this.openModel();
    this.sync();
  }

  private async openModel(): Promise<void> {
    const host = h("div", { class: "model" });
    this.over.replaceChildren(host);
    this.over.hidden = false;
    try {
      const { showModel } = await import("./model3d");
      this.end = await showModel(host, this.file("mesh")!.url);
    } catch (error) {
      this.close();
      announce(`The model cannot be shown here: ${(error as Error).message}`);
    }
    this.sync();
  }
}
