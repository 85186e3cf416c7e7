/** The card that says how far a run is, with Cancel. */

import { h } from "./dom";
import { type Progress, inWords } from "./progress";

export class Busy {
  private readonly bar = h("span", {});
  private readonly track = h("div", { class: "progress waits", role: "progressbar", "aria-label": "Progress" }, this.bar);
  private readonly line = h("p", { class: "count" });
  readonly el: HTMLElement;

  constructor(cancel: () => void) {
    this.el = h("div", { class: "busy", hidden: true }, this.track, this.line,
      h("button", { type: "button", class: "button", title: "Escape", onclick: cancel }, "Cancel"));
  }

  /** Before the server has said anything. */
  begin(words: string): void {
    this.el.hidden = false;
    this.line.textContent = words;
    this.track.classList.add("waits");
    this.track.removeAttribute("aria-valuenow");
  }

  show(progress: Progress): void {
    const share = progress.total ? progress.step / progress.total : 0;
    this.line.textContent = inWords(progress);
    this.track.classList.toggle("waits", !share);
    this.bar.style.width = `${100 * share}%`;
    if (share) this.track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  }

  end(): void {
    this.el.hidden = true;
  }
}
