/** The keyboard: which key does what, and the dialog that says so. */

import { h, icon, remember, remembered } from "./dom";

export interface Key {
  /** As in `KeyboardEvent.key`, with Control+, Shift+ or Alt+ before it; several with a space between. */
  keys: string;
  says: string;
  group: string;
  act: (event: KeyboardEvent) => void;
  /** Called when the key goes up. */
  release?: () => void;
}

/** The name of a pressed key, as in a map. */
export function nameOfKey(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const letter = event.key.length === 1;
  const name = letter ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (!letter || event.ctrlKey || event.metaKey || /[a-z]/i.test(event.key));
  return [(event.ctrlKey || event.metaKey) && "Control", event.altKey && "Alt", shift && "Shift", name].filter(Boolean).join("+");
}

const TYPED = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select";
const OFF = "dreamsampler-no-keys";

export class Keys {
  readonly dialog: HTMLDialogElement;
  private readonly held = new Map<string, Key>();

  constructor(private readonly map: Key[]) {
    const single = h("input", { type: "checkbox", class: "switch", onchange: () => remember(OFF, single.checked ? null : "1") });
    single.checked = !remembered(OFF);
    const groups = [...new Set(map.map((each) => each.group))];
    this.dialog = h("dialog", { class: "sheet keys", "aria-labelledby": "keys-title" },
      h("header", {}, h("h2", { id: "keys-title" }, "Keyboard"),
        h("button", { type: "button", class: "tool", "aria-label": "Close", onclick: () => this.dialog.close() }, icon("close"))),
      h("div", { class: "groups" }, ...groups.map((group) => h("section", {}, h("h3", {}, group),
        h("dl", {}, ...map.filter((each) => each.group === group).map((each) => h("div", {},
          h("dt", {}, ...each.keys.split(" ").map((key) => h("kbd", {}, shown(key)))), h("dd", {}, each.says))))))),
      h("p", { class: "quiet" }, "On the canvas: arrows move the picture, or the brush while one paints; Enter puts a dab, Shift and an arrow paints a line; Space and drag, the middle button or two fingers move the picture; the wheel zooms, with Control it changes the brush."),
      h("label", { class: "check" }, single, "Keys without Control or Alt"));
    document.addEventListener("keydown", (event) => this.down(event));
    document.addEventListener("keyup", (event) => {
      this.held.get(event.key.toLowerCase())?.release?.();
      this.held.delete(event.key.toLowerCase());
    });
    window.addEventListener("blur", () => {
      for (const each of this.held.values()) each.release?.();
      this.held.clear();
    });
  }

  private down(event: KeyboardEvent): void {
    const name = nameOfKey(event);
    const key = this.map.find((each) => each.keys.split(" ").includes(name));
    if (!key || document.querySelector("dialog[open]")) return;
    const target = event.target as Element;
    const plain = !/^(Control|Alt)\+/.test(name) && name !== "Escape";
    if (target.matches(TYPED) && (plain || name === "Control+z" || name === "Control+Shift+z")) return;
    if (plain && (remembered(OFF) || (target.matches("input, button, a, summary") && /^(Enter|Arrow|Home|End)/.test(name)))) return;
    event.preventDefault();
    if (key.release) {
      if (this.held.has(event.key.toLowerCase())) return;
      this.held.set(event.key.toLowerCase(), key);
    }
    key.act(event);
  }
}

const shown = (key: string): string =>
  key.replace("Control+", "Ctrl ").replace("Shift+", "Shift ").replace("Alt+", "Alt ").replace(/\b[a-z]$/, (letter) => letter.toUpperCase());
