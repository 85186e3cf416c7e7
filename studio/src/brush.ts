/** Painting on the canvas: brush, colors with a prompt each, undo, fill, invert, mask upload. */

import { api } from "./api";
import { announce, h, pressed, tool } from "./dom";
import { Mask, type Rect } from "./mask";
import type { Point } from "./geometry";
import type { Painter, Stage } from "./stage";

export const COLORS = ["#ff3b6b", "#2f7bff", "#f5b301", "#17b26a"];
export const COLOR_NAMES = ["Pink", "Blue", "Yellow", "Green"];
const MOST_PIXELS = 2e6;
const ALPHA = 0.55;

export class Brushes implements Painter {
  mask = new Mask(1, 1);
  size = 0;
  softness = 0;
  erase = false;
  current = 0;
  private enabled = false;
  private tooled = true;
  private last: Point | null = null;
  private readonly pen: CanvasRenderingContext2D;
  readonly bar: HTMLElement;
  private readonly buttons: Record<string, HTMLButtonElement>;
  private readonly slider: HTMLInputElement;
  private readonly soft: HTMLInputElement;
  private readonly choose: HTMLInputElement;
  adopts = false;
  adopt: () => void = () => {};
  /** Called to undo what a stroke has made of the picture. */
  revert: () => void = () => {};
  /** Called after every change, and with true after a stroke that adds something. */
  onchange: (stroke: boolean) => void = () => {};

  constructor(private readonly stage: Stage) {
    stage.painter = this;
    this.pen = stage.overlay.getContext("2d")!;
    this.buttons = {
      brush: tool("brush", "Brush", "B", () => this.use(false)),
      eraser: tool("eraser", "Eraser", "E", () => this.use(true)),
      undo: tool("undo", "Undo stroke", "Control Z", () => this.undo()),
      redo: tool("redo", "Redo stroke", "Control Shift Z", () => this.redo()),
      fill: tool("fill", "Paint everything", "F", () => this.change((mask) => mask.fill(this.current))),
      invert: tool("invert", "Invert mask", "I", () => this.change((mask) => mask.invert(this.current))),
      clear: tool("clear", "Clear mask", "Delete", () => this.clear()),
      mask: tool("mask", "Mask from a file: white is painted", "", () => this.choose.click()),
    };
    const range = (label: string, value: number, oninput: () => void, title: string) =>
      h("input", { type: "range", min: 0, max: 1, step: 0.01, value, "aria-label": label, title, oninput });
    this.slider = range("Brush size", 0.7, () => this.setSize(Number(this.slider.value)), "Brush size ([ and ])");
    this.soft = range("Brush softness", 0, () => (this.softness = Number(this.soft.value)), "Softness ({ and })");
    this.choose = h("input", { type: "file", accept: "image/*", class: "away", tabindex: -1, "aria-hidden": "true", onchange: () => this.upload() });
    const { brush, eraser, undo, redo, fill, invert, clear, mask } = this.buttons;
    this.bar = h(
      "div", { class: "bar brushes", role: "toolbar", "aria-label": "Brush" },
      brush, eraser,
      h("label", { class: "mini" }, h("span", {}, "Size"), this.slider),
      h("label", { class: "mini" }, h("span", {}, "Soft"), this.soft),
      undo, redo, fill, invert, clear, mask, this.choose,
    );
    this.setSize(0.7);
    this.sync();
  }

  get active(): boolean {
    return this.enabled && this.tooled;
  }
  get covers(): number {
    return this.enabled ? this.bar.offsetHeight + 20 : 0;
  }
  get radius(): number {
    return (this.size / 2) * Math.max(this.stage.size.width, this.stage.size.height);
  }
  get color(): string {
    return this.erase ? "#ffffff" : COLORS[this.current];
  }
  private get scale(): number {
    return this.mask.width / Math.max(this.stage.size.width, 1);
  }

  /** Whether the mode paints at all. */
  enable(on: boolean): void {
    this.enabled = on;
    this.bar.hidden = !on;
    this.stage.overlay.hidden = !on;
    this.sync();
    this.stage.refresh();
  }

  /** A new, empty mask for the picture of the stage. */
  reset(): void {
    const { width, height } = this.stage.size;
    const scale = Math.min(1, Math.sqrt(MOST_PIXELS / Math.max(width * height, 1)));
    this.mask = new Mask(Math.max(Math.round(width * scale), 1), Math.max(Math.round(height * scale), 1));
    this.stage.overlay.width = this.mask.width;
    this.stage.overlay.height = this.mask.height;
    this.changed();
  }

  use(erase: boolean): void {
    this.erase = erase;
    this.tooled = true;
    this.stage.show("source");
    this.sync();
  }

  pick(color: number): void {
    this.current = color;
    this.use(false);
  }

  start(at: Point, pressure: number): void {
    this.mask.begin();
    this.last = at;
    this.move(at, pressure);
  }

  move(at: Point, pressure: number): void {
    const scale = this.scale;
    const scaled = (point: Point) => ({ x: point.x * scale, y: point.y * scale });
    const radius = Math.max(this.radius * scale * (0.4 + 0.6 * pressure), 0.5);
    const brush = { color: this.current, radius, softness: this.softness, erase: this.erase };
    const rect = this.mask.segment(scaled(this.last ?? at), scaled(at), brush);
    this.last = at;
    if (rect) this.draw(rect);
  }

  stop(): void {
    this.mask.end();
    this.last = null;
    this.sync();
    this.onchange(!this.erase);
  }

  resize(steps: number): void {
    this.setSize(Number(this.slider.value) + 0.04 * steps);
  }

  soften(steps: number): void {
    this.softness = Math.min(Math.max(this.softness + 0.1 * steps, 0), 1);
    this.soft.value = String(this.softness);
    announce(`Softness ${Math.round(100 * this.softness)} %`);
  }

  /** The slider is finer for small brushes; a whole turn of it goes from 0.4 % to 50 % of the picture. */
  private setSize(at: number): void {
    const share = Math.min(Math.max(at, 0), 1);
    this.size = 0.004 * (0.5 / 0.004) ** share;
    this.slider.value = String(share);
    this.stage.refresh();
  }

  change(act: (mask: Mask) => void): void {
    this.stage.show("source");
    act(this.mask);
    this.changed();
  }
  /** Whether the result that is shown came of the last stroke. */
  private get reverts(): boolean {
    return this.adopts && !this.mask.canUndo && this.stage.shown !== "source";
  }
  undo(): void {
    if (this.reverts) this.revert();
    else this.change((mask) => mask.undo());
  }
  redo(): void {
    this.change((mask) => mask.redo());
  }
  clear(): void {
    if (!this.mask.empty) this.change((mask) => mask.clear());
  }

  private changed(): void {
    this.draw({ left: 0, top: 0, right: this.mask.width, bottom: this.mask.height });
    this.sync();
    this.onchange(false);
  }

  sync(): void {
    pressed(this.buttons.brush, !this.erase);
    pressed(this.buttons.eraser, this.erase);
    this.buttons.undo.disabled = !this.mask.canUndo && !this.reverts;
    this.buttons.redo.disabled = !this.mask.canRedo;
    this.buttons.clear.disabled = this.mask.empty;
  }

  /** Bring a part of the mask onto the overlay. */
  private draw(rect: Rect): void {
    const wide = rect.right - rect.left;
    const image = this.pen.createImageData(wide, rect.bottom - rect.top);
    const rgb = COLORS.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    for (let y = rect.top, to = 0; y < rect.bottom; y++) {
      for (let i = y * this.mask.width + rect.left, end = i + wide; i < end; i++, to += 4) {
        image.data.set(rgb[this.mask.color[i]], to);
        image.data[to + 3] = ALPHA * this.mask.coverage[i];
      }
    }
    this.pen.putImageData(image, rect.left, rect.top);
  }

  private async upload(): Promise<void> {
    const file = this.choose.files?.[0];
    this.choose.value = "";
    if (!file) return;
    try {
      await this.load(await createImageBitmap(file));
    } catch {
      announce(`${file.name} is no picture that this browser can read.`);
    }
  }

  /** Add a mask from the server, such as that of an earlier run. */
  async loadFrom(url: string, color: number): Promise<void> {
    await this.load(await createImageBitmap(await api.blob(url)), color);
  }

  private async load(image: ImageBitmap, color = this.current): Promise<void> {
    const { width, height } = this.mask;
    const pen = surface(width, height);
    pen.drawImage(image, 0, 0, width, height);
    const { data } = pen.getImageData(0, 0, width, height);
    const coverage = Uint8Array.from({ length: width * height }, (_, i) => {
      const light = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
      return (light * data[4 * i + 3]) / 255;
    });
    this.change((mask) => mask.add(coverage, color));
  }

  /** Each used color's coverage as a PNG of the picture's size. */
  async files(): Promise<{ color: number; file: File }[]> {
    const { width, height } = this.stage.size;
    return Promise.all(
      this.mask.colors.map(async (color) => ({
        color,
        file: await this.png(this.mask.layer(color), width, height, COLOR_NAMES[color]),
      })),
    );
  }

  /** All colors as one PNG. */
  async whole(name: string): Promise<File> {
    const { width, height } = this.stage.size;
    return this.png(this.mask.coverage, width, height, name);
  }

  private async png(coverage: Uint8Array, width: number, height: number, name: string): Promise<File> {
    const small = surface(this.mask.width, this.mask.height);
    const image = small.createImageData(this.mask.width, this.mask.height);
    coverage.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
    small.putImageData(image, 0, 0);
    const pen = surface(width, height);
    pen.drawImage(small.canvas, 0, 0, width, height);
    const blob = await new Promise<Blob>((give) => pen.canvas.toBlob((made) => give(made!), "image/png"));
    return new File([blob], `mask-${name.toLowerCase()}.png`, { type: "image/png" });
  }
}

function surface(width: number, height: number): CanvasRenderingContext2D {
  return h("canvas", { width, height }).getContext("2d", { willReadFrequently: true })!;
}
