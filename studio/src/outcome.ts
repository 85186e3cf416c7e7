/** What came of a run: sentences, numbers on demand, downloads, and what one can do next. */

import type { ResultFile, Run } from "./api";
import { inWords } from "./degrade";
import { h, icon } from "./dom";
import { plainly } from "./words";

export interface Actions {
  goOn(): void;
  useSettings(): void;
  undo(): void;
}

export const isShown = (file: ResultFile): boolean => file.kind === "picture" && !file.name.startsWith("depth");

/** Name of a result for people. */
export function labelOf(file: ResultFile, index: number): string {
  const words = (file.label ?? file.name.replace(/\.\w+$/, "").replace(/^result-?/, "").replaceAll("_", " ")).trim();
  if (!words || /^\d+$/.test(words)) return file.kind === "picture" ? `Variant ${index + 1}` : file.name;
  return words[0].toUpperCase() + words.slice(1);
}

const shown = (value: unknown): string =>
  typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);

export class Outcome {
  readonly el = h("section", { class: "outcome", "aria-label": "Result", hidden: true });
  private open = false;

  constructor(private readonly actions: Actions) {}

  /** A run, or a line about the source where there is none; nothing hides the bar. */
  show(run: Run | null, pick: number, line = ""): void {
    this.el.hidden = !run && !line;
    if (!run) return this.el.replaceChildren(h("p", { class: "quiet idle" }, line));
    const file = run.results[Math.max(pick, 0)];
    const words = [...run.words.map(inWords), ...(run.notes ?? []).map(plainly)];
    const numbers = h("details", { class: "numbers", open: this.open, ontoggle: () => (this.open = numbers.open) },
      h("summary", {}, "Numbers"),
      h("dl", {}, ...run.numbers.flatMap(({ name, value }) => h("div", {}, h("dt", {}, name), h("dd", {}, shown(value))))));
    const choose = pick < 0 && run.results.filter(isShown).length > 1;
    const link = (url: string, name: string, words: string, hint: string, id: string) =>
      h("a", { class: "button", href: url, download: name, title: hint, "data-id": id }, icon(id), words);
    this.el.replaceChildren(
      h("div", { class: "sentences" }, ...(choose ? [h("p", {}, "Choose one of the variants.")] : []), ...words.map((each) => h("p", {}, each))),
      h("div", { class: "actions" },
        !choose && run.task !== "reconstruct" && ["picture", "svg"].includes(file.kind)
          ? h("button", { type: "button", class: "button strong", title: "The result becomes the picture (G)", onclick: () => this.actions.goOn() }, icon("forward"), "Go on from this") : null,
        choose ? null : link(`${file.url}?download=1`, file.download, "Download", "Save the result (D)", "download"),
        run.values.remove ? h("button", { type: "button", class: "button", title: "Back to the picture before (Control Z)", onclick: () => this.actions.undo() }, icon("undo"), "Undo") : null,
        h("button", { type: "button", class: "button", title: "Fill the form with what made this", onclick: () => this.actions.useSettings() }, icon("reset"), "Use settings"),
        link(`${run.recipe}?download=1`, "recipe.json", "Settings file", "A file (recipe.json) that makes this result again, bit by bit", "recipe"),
        run.results.length > 1 ? this.files(run) : null,
        run.numbers.length ? numbers : null),
    );
  }

  private files(run: Run): HTMLElement {
    return h("details", { class: "numbers" }, h("summary", {}, `${run.results.length} files`),
      h("ul", {}, ...run.results.map((file, i) => h("li", {}, h("a", { href: `${file.url}?download=1`, download: file.download }, labelOf(file, i), h("span", { class: "quiet" }, ` ${file.download}`))))));
  }
}

/** Variants side by side; a click chooses one. */
export function variants(run: Run, pick: (index: number) => void): HTMLElement {
  const shownFiles = run.results.map((file, i) => ({ file, i })).filter(({ file }) => isShown(file));
  const grid = h("div", { class: "variants", role: "group", "aria-label": "Variants" },
    ...shownFiles.map(({ file, i }, n) => h("button", { type: "button", class: "variant", onclick: () => pick(i) },
      h("img", { src: file.url, alt: "" }),
      h("span", {}, labelOf(file, n), file.seed === null || file.seed === undefined ? null : h("small", {}, ` seed ${file.seed}`)))));
  grid.dataset.count = String(Math.min(shownFiles.length, 9));
  return grid;
}
