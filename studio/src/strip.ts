/** The results of this sitting, in order, with steps back and forward across them. */

import { type Run, type Upload, type Values, preview } from "./api";
import { h } from "./dom";
import type { Edges } from "./geometry";

export interface Entry {
  mode: string;
  source: Upload | null;
  run: Run | null;
  /** Which of the results is chosen; -1 while none is. */
  pick: number;
  edges: Edges;
}

/** A list with a present place; stepping back loses nothing. */
export class Sitting {
  entries: Entry[] = [];
  at = -1;

  get current(): Entry | null {
    return this.entries[this.at] ?? null;
  }
  push(entry: Entry): void {
    this.entries.push(entry);
    this.at = this.entries.length - 1;
  }
  canStep(by: number): boolean {
    return this.at + by >= 0 && this.at + by < this.entries.length;
  }
  step(by: number): Entry | null {
    if (!this.canStep(by)) return null;
    this.at += by;
    return this.current;
  }
  /** Seconds that a run may take, by the last one of its mode; null where there was none. */
  expected(mode: string, values: Values): number | null {
    const last = this.entries.filter((each) => each.mode === mode && each.run).at(-1)?.run;
    return last ? (last.seconds * Number(values.num_images ?? 1)) / Number(last.values.num_images ?? 1) : null;
  }
  drop(run: string): void {
    const current = this.current;
    this.entries = this.entries.filter((each) => each.run?.id !== run);
    this.at = current ? this.entries.indexOf(current) : -1;
    if (this.at < 0) this.at = this.entries.length - 1;
  }
}

export class Strip {
  readonly el = h("div", { class: "strip", role: "group", "aria-label": "Results of this sitting", hidden: true });

  constructor(readonly sitting: Sitting, private readonly show: (entry: Entry) => void) {}

  /** None is marked where the canvas shows none of them. */
  draw(marks = true): void {
    const { entries, at } = this.sitting;
    this.el.hidden = !entries.length;
    this.el.replaceChildren(...entries.map((entry, i) => {
      const picture = entry.run?.results[entry.pick];
      const url = (picture?.kind === "picture" && picture.url) || entry.run?.thumb || (entry.source && preview(entry.source)) || "";
      const words = entry.run ? `${entry.run.task}: ${entry.run.title || "result"}` : `source: ${entry.source?.name ?? "none"}`;
      const button = h("button", { type: "button", class: "thumb", "aria-label": `${i + 1}, ${words}`, title: words, "aria-current": marks && i === at ? "true" : null,
        onclick: () => { this.sitting.at = i; this.show(entry); } },
        h("img", { src: url, alt: "", loading: "lazy" }), entry.run ? null : h("small", {}, "source"));
      return button;
    }));
    this.el.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}
