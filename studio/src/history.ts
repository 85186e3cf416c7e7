/** Earlier runs, searched by words; their results and settings can be taken up again. */

import { type Info, type Run, Refused, api } from "./api";
import { h, icon, settled } from "./dom";

const MOST = 60;

export class History {
  private readonly list = h("div", { class: "runs" });
  private readonly search = h("input", { type: "search", placeholder: "Search prompts, tasks, operators", "aria-label": "Search earlier runs", oninput: () => this.soon() });
  private readonly status = h("p", { class: "quiet", role: "status" });
  readonly el: HTMLDialogElement;
  onopen: (run: Run) => void = () => {};
  onuse: (run: Run) => void = () => {};
  ondelete: (id: string) => void = () => {};
  onrecipe: (file: File) => void = () => {};

  constructor(private readonly info: Info) {
    const keeps = info.keeps ? "Runs stay here until you delete them." : "Runs are deleted when this session ends.";
    const file = h("input", { type: "file", class: "away", tabindex: -1, "aria-hidden": "true", onchange: () => {
      const [chosen] = file.files ?? [];
      this.el.close();
      if (chosen) this.onrecipe(chosen);
      file.value = "";
    } });
    this.el = h("dialog", { class: "sheet", "aria-labelledby": "history-title" },
      h("header", {}, h("h2", { id: "history-title" }, "Earlier runs"), this.search,
        h("button", { type: "button", class: "tool", "aria-label": "Close", onclick: () => this.el.close() }, icon("close"))),
      h("p", { class: "quiet" }, keeps, " ", h("button", { type: "button", class: "link", onclick: () => file.click() }, "Take settings from a settings file, or from a picture made here"), file), this.status, this.list);
  }

  open(): void {
    this.el.showModal();
    this.search.focus();
    void this.load();
  }

  private readonly soon = settled(200, () => void this.load());

  private async load(): Promise<void> {
    try {
      const runs = await api.runs(this.search.value, MOST);
      this.status.textContent = runs.length ? "" : this.search.value ? "No run has these words." : "There are no runs yet.";
      this.list.replaceChildren(...runs.map((run) => this.row(run)));
    } catch (error) {
      this.status.textContent = (error as Refused).message;
    }
  }

  private row(run: Run): HTMLElement {
    const when = new Date(typeof run.created === "number" ? run.created * 1000 : run.created);
    const date = Number.isNaN(when.getTime()) ? String(run.created) : when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const task = run.values.remove ? "Remove" : (this.info.tasks.find((each) => each.name === run.task)?.title ?? run.task);
    const act = (call: () => void) => () => { this.el.close(); call(); };
    const remove = h("button", { type: "button", class: "link danger", onclick: () => this.remove(run, remove) }, "Delete");
    return h("article", { class: "run" },
      h("button", { type: "button", class: "thumb", "aria-label": `Open ${run.task} ${run.title}`, onclick: act(() => this.onopen(run)) }, h("img", { src: run.thumb, alt: "", loading: "lazy" })),
      h("div", {}, h("b", {}, run.title || task), h("small", {}, `${task} · ${date}`),
        h("div", { class: "chips" },
          h("button", { type: "button", class: "link", onclick: act(() => this.onopen(run)) }, "Open"),
          h("button", { type: "button", class: "link", onclick: act(() => this.onuse(run)) }, "Use settings"),
          h("a", { class: "link", href: `${run.recipe}?download=1`, download: "recipe.json" }, "Settings file"), remove)));
  }

  private async remove(run: Run, button: HTMLButtonElement): Promise<void> {
    if (button.dataset.sure !== "yes") {
      button.dataset.sure = "yes";
      button.textContent = "Delete for good?";
      return;
    }
    try {
      await api.remove(run.id);
      this.ondelete(run.id);
      await this.load();
    } catch (error) {
      this.status.textContent = (error as Refused).message;
    }
  }
}
