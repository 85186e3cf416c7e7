/** A painted mask: how much each pixel is covered (0 to 255), and by which color. */

import type { Point } from "./geometry";

export interface Brush {
  color: number;
  /** In pixels of the mask. */
  radius: number;
  /** 0: a hard edge; 1: coverage falls from the center on. */
  softness: number;
  erase: boolean;
}
export interface Rect {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
interface Patch {
  rect: Rect;
  coverage: Uint8Array;
  color: Uint8Array;
}

const MOST_STEPS = 60;

export class Mask {
  readonly coverage: Uint8Array;
  readonly color: Uint8Array;
  private done: Patch[] = [];
  private undone: Patch[] = [];
  /** All of the mask as it was before the stroke under way, and what the stroke has touched. */
  private before: Patch | null = null;
  private touched: Rect | null = null;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.coverage = new Uint8Array(width * height);
    this.color = new Uint8Array(width * height);
  }

  get empty(): boolean {
    return !this.coverage.some((each) => each > 0);
  }
  get canUndo(): boolean {
    return this.done.length > 0;
  }
  get canRedo(): boolean {
    return this.undone.length > 0;
  }
  /** Share of the picture that is covered. */
  get share(): number {
    let sum = 0;
    for (const each of this.coverage) sum += each;
    return sum / (255 * this.coverage.length);
  }
  /** Which colors cover anything, in order. */
  get colors(): number[] {
    const found = new Set<number>();
    for (let i = 0; i < this.coverage.length; i++) if (this.coverage[i]) found.add(this.color[i]);
    return [...found].sort();
  }

  /** Begin one step of undo; `end` closes it. */
  begin(): void {
    this.before = this.cut({ left: 0, top: 0, right: this.width, bottom: this.height });
    this.touched = null;
  }

  end(): void {
    if (this.before && this.touched) {
      const rect = this.touched;
      const whole = this.before;
      const [coverage, color] = [whole.coverage, whole.color].map((all) => this.part(all, rect));
      this.done.push({ rect, coverage, color });
      if (this.done.length > MOST_STEPS) this.done.shift();
      this.undone = [];
    }
    this.before = this.touched = null;
  }

  /** Paint a segment with round ends; a point is a segment of no length. Returns what changed. */
  segment(a: Point, b: Point, brush: Brush): Rect | null {
    const { radius, softness } = brush;
    const rect = this.within({
      left: Math.floor(Math.min(a.x, b.x) - radius - 1),
      top: Math.floor(Math.min(a.y, b.y) - radius - 1),
      right: Math.ceil(Math.max(a.x, b.x) + radius + 1),
      bottom: Math.ceil(Math.max(a.y, b.y) + radius + 1),
    });
    if (!rect) return null;
    const along = { x: b.x - a.x, y: b.y - a.y };
    const square = along.x ** 2 + along.y ** 2;
    const fade = Math.max(softness * radius, 1);
    for (let y = rect.top; y < rect.bottom; y++) {
      for (let x = rect.left; x < rect.right; x++) {
        const px = x + 0.5 - a.x;
        const py = y + 0.5 - a.y;
        const t = square ? Math.min(Math.max((px * along.x + py * along.y) / square, 0), 1) : 0;
        const distance = Math.hypot(px - t * along.x, py - t * along.y);
        const value = Math.round(255 * Math.min(Math.max((radius + 0.5 - distance) / fade, 0), 1));
        if (value) this.put(y * this.width + x, value, brush);
      }
    }
    this.touch(rect);
    return rect;
  }

  /** Change all pixels at once, as one step. */
  private every(change: (i: number) => void): void {
    this.begin();
    for (let i = 0; i < this.coverage.length; i++) change(i);
    this.touch({ left: 0, top: 0, right: this.width, bottom: this.height });
    this.end();
  }

  /** Cover what is not covered yet. */
  fill(color: number): void {
    this.every((i) => {
      if (this.coverage[i] < 255) this.color[i] = color;
      this.coverage[i] = 255;
    });
  }

  /** What was covered becomes free, and the other way round; all in one color. */
  invert(color: number): void {
    this.every((i) => {
      this.coverage[i] = 255 - this.coverage[i];
      this.color[i] = color;
    });
  }

  clear(): void {
    this.every((i) => (this.coverage[i] = 0));
  }

  /** Add coverage from elsewhere, such as an uploaded mask of the same size. */
  add(coverage: ArrayLike<number>, color: number): void {
    this.every((i) => {
      if (coverage[i]) this.put(i, coverage[i], { color, radius: 0, softness: 0, erase: false });
    });
  }

  undo(): void {
    this.swap(this.done, this.undone);
  }

  redo(): void {
    this.swap(this.undone, this.done);
  }

  /** The coverage of one color. */
  layer(color: number): Uint8Array {
    return this.coverage.map((value, i) => (this.color[i] === color ? value : 0));
  }

  private put(i: number, value: number, brush: Brush): void {
    if (brush.erase) this.coverage[i] = Math.min(this.coverage[i], 255 - value);
    else if (this.color[i] === brush.color || value >= this.coverage[i]) {
      this.coverage[i] = Math.max(this.coverage[i], value);
      this.color[i] = brush.color;
    }
  }

  private swap(from: Patch[], to: Patch[]): void {
    const patch = from.pop();
    if (!patch) return;
    to.push(this.cut(patch.rect));
    const wide = patch.rect.right - patch.rect.left;
    for (let y = patch.rect.top; y < patch.rect.bottom; y++) {
      const start = (y - patch.rect.top) * wide;
      const at = y * this.width + patch.rect.left;
      this.coverage.set(patch.coverage.subarray(start, start + wide), at);
      this.color.set(patch.color.subarray(start, start + wide), at);
    }
  }

  private cut(rect: Rect): Patch {
    return { rect, coverage: this.part(this.coverage, rect), color: this.part(this.color, rect) };
  }

  private part(all: Uint8Array, rect: Rect): Uint8Array {
    const wide = rect.right - rect.left;
    const out = new Uint8Array(wide * (rect.bottom - rect.top));
    for (let y = rect.top; y < rect.bottom; y++) {
      const at = y * this.width + rect.left;
      out.set(all.subarray(at, at + wide), (y - rect.top) * wide);
    }
    return out;
  }

  private within(rect: Rect): Rect | null {
    const inside = {
      left: Math.max(rect.left, 0),
      top: Math.max(rect.top, 0),
      right: Math.min(rect.right, this.width),
      bottom: Math.min(rect.bottom, this.height),
    };
    return inside.left < inside.right && inside.top < inside.bottom ? inside : null;
  }

  private touch(rect: Rect): void {
    const old = this.touched ?? rect;
    this.touched = {
      left: Math.min(old.left, rect.left),
      top: Math.min(old.top, rect.top),
      right: Math.max(old.right, rect.right),
      bottom: Math.max(old.bottom, rect.bottom),
    };
  }
}
