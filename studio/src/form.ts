/** The panel of a mode: prompts, sliders, method, all options, and the button that runs it. */

import { type Check, type Field, type Info, type Upload, type Values } from "./api";
import { COLORS, COLOR_NAMES } from "./brush";
import { Degradation } from "./degrade";
import { h, pressed } from "./dom";
import { suggestions } from "./words";
import { type Control, control, methods } from "./fields";
import type { Mode, Try } from "./modes";

/** Fields that the canvas or another part of the form holds. */
const HELD = ["image", "mask_image", "mask_mode", "expand", "remove", "operator", "noise", "operator_files"];
/** Removing takes these alone: it has no prompt and draws no noise. */
const REMOVING = ["size", "feather", "crop", "padding_mask_crop"];
const SLIDERS = ["strength", "guidance_scale", "num_images", "paths"];
const PROMPTS = ["source_prompt", "prompt"];
const CHIPS = 6;
const LARGEST_SEED = 2 ** 31;

export class Form {
  readonly el = h("form", { class: "form", novalidate: true });
  readonly controls = new Map<string, Control>();
  readonly degradation: Degradation | null = null;
  /** A prompt for each color; one where the mode has one prompt only. */
  readonly colors: string[] = [""];
  /** Of removing: whether each stroke is removed at once. */
  readonly once = h("input", { type: "checkbox", class: "switch", checked: true });
  readonly limit = h("input", { type: "checkbox", class: "switch" });
  private readonly rows = h("div", { class: "colors" });
  private readonly chips = h("div", { class: "chips words" });
  private readonly checked = h("div", { class: "checked", "aria-live": "polite" });
  private readonly error = h("p", { class: "error", role: "alert", hidden: true });
  private readonly go: HTMLButtonElement;
  private readonly keep = h("input", { type: "checkbox" });
  private readonly same = h("p", { class: "help" }, "This method draws nothing at random: each run with the same settings gives the same picture.");
  private everyWord = false;
  /** Whether the next run takes the seed that was filled in, to make a result again. */
  private again = false;
  private target: HTMLTextAreaElement | HTMLInputElement | null = null;
  onrun: () => void = () => {};
  onchange: () => void = () => {};
  onexample: (example: Try) => void = () => {};
  oncolor: (color: number) => void = () => {};
  onlimit: (on: boolean) => void = () => {};

  constructor(readonly mode: Mode, private readonly info: Info) {
    const { task } = mode;
    const changed = () => this.changed();
    const has = (name: string) => task.fields.some((each) => each.name === name);
    if (has("operator")) this.degradation = new Degradation(mode.key === "restore", mode.key === "reconstruct", changed);
    const usable = task.fields.filter((each) => !HELD.includes(each.name) && (mode.key !== "remove" || REMOVING.includes(each.name)));
    const manyPrompts = mode.key === "inpaint";
    for (const field of usable) {
      if (manyPrompts && field.name === "prompt") continue;
      const kind = field.name === "method" ? methods : control;
      this.controls.set(field.name, kind(field, changed));
    }
    const take = (names: string[]) => names.flatMap((name) => this.controls.get(name)?.el ?? []);
    const prompts = take(PROMPTS);
    const sliders = take(SLIDERS);
    const method = take(["method"]);
    const seed = this.controls.get("seed");
    seed?.el.append(h("label", { class: "check" }, this.keep, "Keep this seed; else each run takes another"));
    const rest = [...this.controls.values()].map((each) => each.el).filter((el) => ![...prompts, ...sliders, ...method].includes(el));
    this.go = h("button", { type: "submit", class: "primary", title: "Control Enter" }, mode.verb);
    const body = h("div", { class: "body" },
      h("p", { class: "hint" }, mode.hint),
      this.exampleRow(),
      mode.key === "remove" ? h("label", { class: "check" }, this.once, "Run after each stroke") : null,
      ["inpaint", "remove"].includes(mode.key) ? tips() : null,
      ["restore", "reconstruct"].includes(mode.key) && this.degradation ? this.degradation.el : null,
      manyPrompts ? this.rows : null,
      ...prompts,
      this.checked,
      mode.key === "edit" && has("mask_image")
        ? h("label", { class: "check" }, this.limit, "Change only what I paint over") : null,
      sliders.length ? h("div", { class: "sliders" }, ...sliders) : null,
      ...method,
      this.same,
      mode.key === "vectorize" && this.degradation ? h("details", { class: "fold" }, h("summary", {}, "The picture is damaged"), this.degradation.el) : null,
      rest.length ? h("details", { class: "fold" }, h("summary", {}, h("span", { class: "grow" }, "All options"), h("span", { class: "quiet" }, String(rest.length))), h("div", { class: "rest" }, ...rest)) : null,
    );
    for (const fold of body.querySelectorAll("details")) fold.addEventListener("toggle", () => fold.open && fold.scrollIntoView({ block: "nearest" }));
    this.limit.addEventListener("change", () => this.onlimit(this.limit.checked));
    this.el.append(body, h("div", { class: "go" }, this.error, this.go));
    this.el.addEventListener("submit", (event) => {
      event.preventDefault();
      this.onrun();
    });
    this.el.addEventListener("focusin", (event) => {
      const at = event.target as HTMLTextAreaElement;
      if (at.tagName === "TEXTAREA" && at.closest("[data-field$='prompt'], .colors")) {
        this.target = at;
        this.showWords();
      }
    });
    this.el.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && (event.target as Element).tagName === "TEXTAREA") {
        event.preventDefault();
        this.onrun();
      }
    });
    this.showColors(0);
    this.ofMethod();
    this.showWords();
  }

  private exampleRow(): HTMLElement | null {
    const { tries } = this.mode;
    if (!tries.length || this.mode.key === "remove") return null;
    return h("div", { class: "examples chips", role: "group", "aria-label": "Examples" },
      h("span", { class: "quiet" }, "Try"),
      ...tries.map((each) => h("button", { type: "button", class: "chip", onclick: () => this.onexample(each) }, each.label)));
  }

  /** What an SVG file shows now is asked only where there is one. */
  setSource(source: Upload | null): void {
    const now = this.controls.get("source_prompt");
    if (this.mode.key === "vectorize" && now) now.el.hidden = source?.kind !== "svg";
    this.degradation?.setSource(source);
    this.showWords();
  }

  /** Options that the chosen method does not have are hidden; empty ones show what it takes. */
  private ofMethod(): void {
    const chosen = this.controls.get("method");
    const method = chosen?.field.choices?.find(({ value }) => value === chosen.get());
    this.same.hidden = method?.draws !== false;
    for (const { el, field, hint } of this.controls.values()) {
      if (field.methods) el.hidden = !field.methods.includes(String(method?.value));
      hint?.(method?.settings?.[field.name]);
    }
  }

  private changed(): void {
    this.fail(null, null);
    this.ofMethod();
    this.showWords();
    this.onchange();
  }

  /** What the run is asked for; the picture and the masks are added by the page. */
  values(): Values {
    const seed = this.controls.get("seed");
    if (seed && !this.keep.checked && !this.again) seed.set(Math.floor(Math.random() * LARGEST_SEED));
    this.again = false;
    const values: Values = {};
    for (const [name, { el, get }] of this.controls) if (!el.hidden) values[name] = get();
    return { ...values, ...this.degradation?.values(), ...(this.mode.key === "remove" ? { remove: true } : {}) };
  }

  /** Show values; what they do not name goes back to its default. */
  fill(values: Values, keepSeed = false): void {
    for (const [name, each] of this.controls) each.set(name in values ? values[name] : each.field.default);
    this.keep.checked = false;
    this.again = keepSeed;
    this.degradation?.set(String(values.operator ?? (this.mode.key === "restore" ? "" : "none")), values.noise as string);
    const prompts = [values.prompt ?? ""].flat().map(String);
    this.colors.splice(0, 4, ...(prompts.length ? prompts : [""]));
    this.showColors(0);
    this.changed();
  }

  /** The picture to edit shows now what was asked for. */
  shows(words: string): void {
    this.controls.get("source_prompt")!.set(words);
    this.controls.get("prompt")!.set(null);
    this.showWords();
  }

  /** The prompt or prompts that are typed now. */
  get prompt(): string | null {
    const texts = this.mode.key === "inpaint" ? this.colors : [this.controls.get("prompt")?.get() as string | null];
    return texts.filter(Boolean).join(", ") || null;
  }

  fail(message: string | null, field: string | null): void {
    for (const each of this.controls.values()) each.fail(null);
    this.degradation?.fail(null);
    this.error.hidden = true;
    if (!message) return;
    const found = field ? this.controls.get(field) : null;
    if (found) {
      found.fail(message);
      found.el.scrollIntoView({ block: "nearest" });
      found.focus();
    } else if (this.degradation && (field === "operator" || field === "noise")) {
      this.degradation.fail(message);
      this.degradation.el.scrollIntoView({ block: "nearest" });
    } else {
      this.error.textContent = message;
      this.error.hidden = false;
    }
  }

  /** Whether it must be said what happened to the picture, and is not. */
  get undecided(): boolean {
    return this.mode.key === "restore" && this.degradation?.values().operator === null;
  }

  busy(on: boolean): void {
    this.go.disabled = on;
    this.go.textContent = on ? "Working …" : this.mode.verb;
  }

  /** Say what the model does not know. */
  check(found: Check | null): void {
    const sentences = (found?.words ?? []).map(({ word, near }) =>
      h("p", { class: "notice" }, `The model was not trained on “${word}”. `,
        ...near.flatMap((each, i) => [i ? ", " : "Try ", h("button", { type: "button", class: "link", onclick: () => this.replace(word, each) }, each)])));
    this.checked.replaceChildren(...(found?.picture ? [h("p", { class: "notice" }, found.picture)] : []), ...sentences);
  }

  private replace(word: string, by: string): void {
    const places = [...this.el.querySelectorAll<HTMLTextAreaElement>("[data-field$='prompt'] textarea, .colors textarea")];
    const place = places.find((each) => each.value.includes(word));
    if (place) this.put(place, place.value.replace(word, by));
  }

  private put(place: HTMLTextAreaElement | HTMLInputElement, text: string): void {
    place.value = text;
    place.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** A suggestion fills its prompt; then it is the next one's turn, if that is empty. */
  private take(place: HTMLTextAreaElement | HTMLInputElement, words: string): void {
    const next = place.closest("[data-field='source_prompt']") && this.el.querySelector<HTMLTextAreaElement>("[data-field='prompt'] textarea");
    if (next && !next.value) this.target = next;
    this.put(place, words);
  }

  /** What one may write: prompts of the examples, and what the model can draw. */
  private showWords(): void {
    const concepts = this.mode.key === "reconstruct" ? [] : this.info.concepts;
    const place = this.target?.isConnected ? this.target : this.el.querySelector<HTMLTextAreaElement>("[data-field$='prompt']:not([hidden]) textarea, .colors textarea");
    if (!place) return;
    const beside = place.closest<HTMLElement>("[data-field]") ?? this.rows;
    const field = beside.dataset.field ?? "prompt";
    if (beside.nextSibling !== this.chips) beside.after(this.chips);
    const prompts = this.mode.task.examples.flatMap(({ values }) => [values[field] ?? []].flat().map(String));
    const shown = this.everyWord ? concepts : suggestions(place.value, [...prompts, ...concepts]).slice(0, CHIPS);
    this.chips.classList.toggle("every", this.everyWord);
    this.chips.replaceChildren(
      ...shown.map((words) => h("button", { type: "button", class: "chip", onclick: () => this.take(place, words) }, words)),
      concepts.length > CHIPS ? h("button", { type: "button", class: "link", onclick: () => { this.everyWord = !this.everyWord; this.showWords(); } },
        this.everyWord ? "Fewer" : `All ${concepts.length} things that the model knows`) : "",
    );
  }

  /** A prompt for each color. */
  showColors(current: number): void {
    const rows = this.colors.map((words, i) => {
      const swatch = h("button", { type: "button", class: "swatch", "aria-label": `Paint in ${COLOR_NAMES[i].toLowerCase()}`, onclick: () => this.pick(i) });
      swatch.style.setProperty("--c", COLORS[i]);
      pressed(swatch, i === current);
      const label = this.colors.length > 1 ? `${COLOR_NAMES[i]}: what the whole picture should show` : "What the whole picture should show in the end";
      const area = h("textarea", { rows: 1, "aria-label": label, placeholder: label, spellcheck: "false",
        oninput: () => { this.colors[i] = area.value; this.changed(); }, onfocus: () => this.oncolor(i) });
      area.value = words;
      return h("div", { class: "color" }, swatch, area);
    });
    const more = h("button", { type: "button", class: "link", onclick: () => { this.colors.push(""); this.pick(this.colors.length - 1); } }, "Another color with its own prompt");
    this.rows.replaceChildren(...rows, ...(this.colors.length < COLORS.length ? [more] : []));
  }

  private pick(color: number): void {
    this.showColors(color);
    this.oncolor(color);
  }
}

const tips = () =>
  h("p", { class: "help tips" }, h("kbd", {}, "["), " ", h("kbd", {}, "]"), " change the brush, ", h("kbd", {}, "Ctrl Z"), " undoes, the wheel zooms, ", h("kbd", {}, "Space"), " and drag moves the picture.");

export const fieldOf = (mode: Mode, name: string): Field | undefined => mode.task.fields.find((each) => each.name === name);
