/** The card that says how far a run is, with Cancel. */

import { h } from "./dom";
import { type Progress, WAITING, inWords } from "./progress";

export class Busy {
  private readonly bar = h("span", {});
  private readonly track = h("div", { class: "progress waits", role: "progressbar", "aria-label": "Progress" }, this.bar);
  private readonly line = h("p", { class: "count" });
  readonly el: HTMLElement;
  private progress = WAITING;
  private began = 0;
  private expected: number | null = null;
  private timer = 0;

  constructor(cancel: () => void) {
    this.el = h("div", { class: "busy", hidden: true }, this.track, this.line,
      h("button", { type: "button", class: "button", title: "Escape", onclick: cancel }, "Cancel"));
  }

  /** Before the server has said anything; how many seconds it may take is null where that is not known. */
  begin(expected: number | null = null): void {
    this.el.hidden = false;
    this.began = Date.now();
    this.expected = expected;
    this.track.removeAttribute("aria-valuenow");
    this.show(WAITING);
    clearInterval(this.timer);
    this.timer = window.setInterval(() => this.say(), 500);
  }

  private say(): void {
    const { progress } = this;
    // others' runs before this one say nothing of its own time
    if (progress.state === "queued" && progress.position) this.began = Date.now();
    this.line.textContent = inWords(progress, (Date.now() - this.began) / 1000, this.expected);
  }

  show(progress: Progress): void {
    const share = progress.total ? progress.step / progress.total : 0;
    this.progress = progress;
    this.say();
    this.track.classList.toggle("waits", !share);
    this.bar.style.width = `${100 * share}%`;
    if (share) this.track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  }

  end(): void {
    clearInterval(this.timer);
    this.el.hidden = true;
  }
}
