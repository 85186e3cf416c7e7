/** What one can do: the server's tasks, and removing as a mode of its own. */

import type { Example, Info, Task } from "./api";
import { h } from "./dom";

/** An example, and the task whose example it is. */
export interface Try {
  label: string;
  picture: string | null;
  of: string;
  name: string;
}

export interface Mode {
  key: string;
  task: Task;
  title: string;
  hint: string;
  verb: string;
  tries: Try[];
}

const PAINT = "Paint over what shall change and say what the whole picture should show in the end. Every other pixel comes back as it was. Drag an edge to expand the picture.";
const REMOVE = "Paint over what shall go. What lies around it fills the place; nothing has to be described.";

export function modesOf(info: Info): Mode[] {
  const tries = (task: Task | undefined, label: (example: Example) => unknown): Try[] =>
    (task?.examples ?? []).map((each) => ({ label: String(label(each)), picture: each.picture, of: task!.name, name: each.label }));
  return info.tasks.flatMap((task) => {
    const mode: Mode = { key: task.name, task, title: task.title, hint: task.hint, verb: task.verb, tries: tries(task, ({ label }) => label) };
    if (task.name !== "inpaint") return [mode];
    const pictures = tries(info.tasks.find(({ name }) => name === "edit"), ({ label, values }) => values.source_prompt ?? label);
    return [{ ...mode, hint: PAINT }, { ...mode, key: "remove", title: "Remove", verb: "Remove", hint: REMOVE, tries: pictures }];
  });
}

/** The modes as tabs; arrow keys go from one to the next. */
export class Tabs {
  private readonly tabs: Map<string, HTMLButtonElement>;
  readonly el: HTMLElement;

  constructor(modes: Mode[], choose: (key: string) => void) {
    this.tabs = new Map(modes.map(({ key, title }) => [
      key, h("button", { type: "button", role: "tab", id: `mode-${key}`, "aria-controls": "panel", onclick: () => choose(key) }, title)]));
    const all = [...this.tabs.values()];
    this.el = h("div", { class: "modes", role: "tablist", "aria-label": "What to do" }, ...all);
    this.el.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const at = all.indexOf(document.activeElement as HTMLButtonElement);
      if (!by || at < 0) return;
      const next = all[(at + by + all.length) % all.length];
      next.click();
      next.focus();
    });
  }

  show(key: string): void {
    for (const [name, tab] of this.tabs) {
      tab.setAttribute("aria-selected", String(name === key));
      tab.tabIndex = name === key ? 0 : -1;
    }
    this.tabs.get(key)!.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}
