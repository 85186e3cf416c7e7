/** The canvas without a picture: drop, paste or choose one, or try an example. */

import type { Info } from "./api";
import { h, icon } from "./dom";
import type { Mode, Try } from "./modes";

export class Empty {
  private readonly input = h("input", { type: "file", class: "away", tabindex: -1, "aria-hidden": "true", onchange: () => this.chosen() });
  private readonly title = h("h2", {});
  private readonly help = h("p", { class: "quiet" });
  private readonly examples = h("div", { class: "tries" });
  private readonly button = h("button", { type: "button", class: "primary", onclick: () => this.choose() });
  readonly el: HTMLElement;

  constructor(private readonly info: Info, private readonly take: (files: File[]) => void, private readonly attempt: (example: Try) => void) {
    this.el = h("div", { class: "empty" }, h("div", { class: "card" }, h("span", { class: "drop" }, icon("open")), this.title, this.help, this.button, this.examples), this.input);
    this.listen();
  }

  /** Files can be dropped or pasted anywhere on the page, at any time. */
  private listen(): void {
    const mark = (on: boolean) => document.body.classList.toggle("dropping", on);
    document.addEventListener("dragover", (event) => { event.preventDefault(); mark(true); });
    document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(false);
      this.take([...(event.dataTransfer?.files ?? [])]);
    });
    document.addEventListener("paste", (event) => this.take([...(event.clipboardData?.files ?? [])]));
  }

  /** For a mode; `held` is whether the other modes have a picture, which 3D cannot use. */
  show(mode: Mode, held: boolean): void {
    const scene = mode.key === "reconstruct";
    const size = `up to ${Math.round(this.info.limits.bytes / 1e6)} MB and ${Math.round(this.info.limits.pixels / 1e6)} megapixels`;
    this.title.textContent = scene ? "Drop the files of a scene here" : "Drop or paste a picture here";
    this.help.textContent = scene
      ? `${held ? "3D needs many views of one thing, so it cannot use your picture, which stays in the other modes. " : ""}Choose transforms.json and the pictures it names, or COLMAP's files, all of them together.`
      : `Any common format or an SVG file, ${size}. ${mode.key === "vectorize" ? "Or only say what to draw." : "It stays on this machine."}`;
    this.button.textContent = scene ? "Choose files" : "Choose a picture";
    this.input.multiple = scene;
    this.input.accept = scene ? "" : "image/*,.svg,.tif,.tiff";
    const words = mode.key === "remove" ? "Or begin with one of these" : "Or watch an example";
    this.examples.replaceChildren(
      ...(mode.tries.length ? [h("p", { class: "quiet" }, words)] : []),
      h("div", { class: "thumbs" }, ...mode.tries.map((each) => h("button", { type: "button", class: "try", onclick: () => this.attempt(each) },
        each.picture ? h("img", { src: each.picture, alt: "" }) : h("span", { class: "glyph" }, icon("cube")), h("span", {}, each.label)))),
    );
  }

  choose(): void {
    this.input.click();
  }

  waiting(on: boolean): void {
    this.el.classList.toggle("waiting", on);
    this.button.disabled = on;
  }

  private chosen(): void {
    const files = [...(this.input.files ?? [])];
    this.input.value = "";
    this.take(files);
  }
}
