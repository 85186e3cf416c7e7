/** What happened to the picture: kinds of damage with amounts, as one operator; a live preview. */

import { type Upload, type Values, Refused, api } from "./api";
import { h, pressed, settled } from "./dom";

interface Amount {
  name: string;
  label: string;
  min: number;
  max: number;
  step: number;
  value: number;
  /** Whether restoring can measure it by itself. */
  found?: boolean;
}
interface Damage {
  name: string;
  title: string;
  /** What it is called in an operator; noise and unknown are none. */
  operator: string | null;
  amounts: Amount[];
}
export type Chosen = Record<string, Record<string, number | "?">>;

export const DAMAGES: Damage[] = [
  { name: "blur", title: "Blurred", operator: "blur", amounts: [{ name: "sigma", label: "How wide, in pixels", min: 0.3, max: 12, step: 0.1, value: 3, found: true }] },
  { name: "motion_blur", title: "Shaken", operator: "motion_blur", amounts: [
    { name: "length", label: "How far, in pixels", min: 1, max: 40, step: 0.5, value: 9, found: true },
    { name: "angle", label: "Direction, in degrees", min: -90, max: 90, step: 1, value: 0, found: true }] },
  { name: "downsample", title: "Small", operator: "downsample", amounts: [{ name: "factor", label: "How many times larger it was", min: 2, max: 8, step: 1, value: 4 }] },
  { name: "grey", title: "No colors", operator: "grey", amounts: [] },
  { name: "mask", title: "Scratched", operator: "mask", amounts: [] },
  { name: "jpeg", title: "JPEG", operator: "jpeg", amounts: [{ name: "quality", label: "Quality it was saved with", min: 1, max: 95, step: 1, value: 20, found: true }] },
  { name: "noise", title: "Noisy", operator: null, amounts: [{ name: "sigma", label: "How strong, in % of white", min: 0, max: 30, step: 0.5, value: 5, found: true }] },
];
/** The operator that some damages make, in the order in which a camera and a disk cause them. */
export function operatorOf(chosen: Chosen, scratches = "scratches.png"): string {
  const steps = DAMAGES.filter((each) => each.operator && chosen[each.name]).map((each) => {
    if (each.name === "mask") return `mask(${scratches})`;
    const given = each.amounts.map(({ name }) => `${name}=${chosen[each.name][name]}`);
    return given.length ? `${each.operator}(${given.join(", ")})` : each.operator;
  });
  return steps.join(" | ") || "none";
}

/** The damages of an operator; null if it says more than the sliders can. */
export function damagesOf(operator: string): Chosen | null {
  const chosen: Chosen = {};
  for (const part of operator.split("|").map((each) => each.trim())) {
    if (!part || part === "none") continue;
    const [, name, inside] = /^(\w+)(?:\((.*)\))?$/.exec(part) ?? [];
    if (name === "mask" && inside?.includes("scratches")) {
      chosen.mask = {};
      continue;
    }
    const damage = DAMAGES.find((each) => each.operator === name);
    if (!damage || chosen[name] || name === "mask") return null;
    chosen[name] = {};
    const given = (inside ?? "").split(",").map((each) => each.trim()).filter(Boolean);
    if (given.length > damage.amounts.length) return null;
    damage.amounts.forEach((amount) => (chosen[name][amount.name] = amount.value));
    for (const [i, text] of given.entries()) {
      const [key, value] = text.includes("=") ? text.split("=").map((each) => each.trim()) : [damage.amounts[i].name, text];
      if (!damage.amounts.some((each) => each.name === key)) return null;
      if (value !== "?" && Number.isNaN(Number(value))) return null;
      chosen[name][key] = value === "?" ? "?" : Number(value);
    }
  }
  return chosen;
}

/** A sentence of the server with the damages of its operator in words. */
export function inWords(sentence: string): string {
  return sentence.replace(/^(Found out what happened: )(.*)\.$/, (whole, before: string, operator: string) => {
    const chosen = damagesOf(operator);
    const said = DAMAGES.filter(({ name }) => chosen?.[name]).map(({ name, title, amounts }) =>
      [title, ...amounts.map((each) => `${each.label[0].toLowerCase()}${each.label.slice(1)}: ${+Number(chosen![name][each.name]).toPrecision(2)}`)].join(", "));
    return said.length ? `${before}${said.join("; ")}.` : whole;
  });
}

/** What is shown of some damages: usual amounts in place of those that are found out, no scratches. */
export function exampleOf(chosen: Chosen): { operator: string; noise: number; found: boolean } {
  const known = (name: string, amount: string) => DAMAGES.find((each) => each.name === name)!.amounts.find((each) => each.name === amount)!.value;
  const shown = Object.entries(chosen).filter(([name]) => name !== "mask").map(([name, amounts]) =>
    [name, Object.fromEntries(Object.entries(amounts).map(([amount, value]) => [amount, value === "?" ? known(name, amount) : value]))] as const);
  const sure = Object.fromEntries(shown);
  const found = Object.values(chosen).some((amounts) => Object.values(amounts).includes("?"));
  return { operator: operatorOf(sure), noise: Number(sure.noise?.sigma ?? 0) / 100, found };
}

export class Degradation {
  private chosen: Chosen = {};
  /** Nothing is known of it: a blur and noise are looked for, both of unknown strength. */
  private unknown = false;
  private source: Upload | null = null;
  private running: AbortController | null = null;
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly amounts = h("div", { class: "amounts" });
  private readonly text = h("input", { type: "text", spellcheck: "false", autocomplete: "off", "aria-label": "Operator", oninput: () => this.typed() });
  private readonly noise = h("input", { type: "text", "aria-label": "Noise, as a share of white, or auto", value: "auto", autocomplete: "off", oninput: () => this.typed() });
  private readonly picture = h("img", { alt: "The picture, degraded by this once more" });
  private readonly caption = h("span", {});
  private readonly shown: HTMLElement;
  private readonly error = h("p", { class: "error", role: "alert", hidden: true });
  readonly el: HTMLElement;
  /** Called with whether scratches are to be painted. */
  onscratched: (on: boolean) => void = () => {};
  /** Called with the degraded picture that shall become the source. */
  onuse: (picture: File) => void = () => {};
  /** The degraded picture at its full size: the preview is a small one. */
  private whole: (() => Promise<Blob>) | null = null;

  /** Where it is required (restoring), amounts can be found out. */
  constructor(private readonly required: boolean, views: boolean, private readonly onchange: () => void) {
    const chip = (name: string, title: string, onclick: () => void) => {
      const button = h("button", { type: "button", class: "chip", onclick }, title);
      this.buttons.set(name, button);
      return button;
    };
    const chips = DAMAGES.filter(({ name }) => required || name !== "mask").map((damage) => chip(damage.name, damage.title, () => this.toggle(damage)));
    if (required) chips.push(chip("unknown", "I do not know", () => this.choose(this.unknown ? {} : { blur: { sigma: "?" } }, !this.unknown)));
    this.shown = h("figure", { class: "damage", hidden: true }, this.picture,
      h("figcaption", {}, this.caption,
        h("button", { type: "button", class: "link", onclick: () => this.use() }, "Degrade the picture like this, to try it")));
    this.el = h("fieldset", { class: "degradation", "data-field": "operator" },
      h("legend", {}, views ? "What happened to the views?" : "What happened to the picture?"),
      h("div", { class: "chips" }, ...chips), this.amounts, this.error, this.shown,
      h("details", { class: "fold small" }, h("summary", {}, "As text"),
        h("label", { class: "field" }, h("span", {}, "Operator"), this.text),
        h("label", { class: "field" }, h("span", {}, "Noise (auto measures it)"), this.noise)));
    this.set(required ? "" : "none", "auto");
  }

  get scratched(): boolean {
    return !!this.chosen.mask;
  }

  values(): Values {
    return { operator: this.text.value.trim() || (this.required ? null : "none"), noise: this.noise.value.trim() || "auto" };
  }

  set(operator: string, noise: string | number | null): void {
    this.text.value = operator;
    this.noise.value = String(noise ?? "auto");
    this.read();
  }

  fail(message: string | null): void {
    this.error.textContent = message ?? "";
    this.error.hidden = !message;
  }

  setSource(source: Upload | null): void {
    this.source = source?.kind === "scene" ? null : source;
    this.show();
  }

  private toggle(damage: Damage): void {
    const { [damage.name]: was, ...others } = this.unknown ? {} : this.chosen;
    const chosen: Chosen = was ? others : { ...others, [damage.name]: Object.fromEntries(damage.amounts.map((each) => [each.name, this.start(each, damage.name)])) };
    // no blur is found out behind scratches
    if (chosen.mask) for (const { name, amounts } of DAMAGES) for (const each of amounts) if (chosen[name]?.[each.name] === "?") chosen[name][each.name] = this.start(each, name, true);
    this.choose(chosen);
  }

  private start(amount: Amount, damage: string, scratched = this.scratched): number | "?" {
    return amount.found && this.required && (!scratched || damage === "noise") ? "?" : amount.value;
  }

  private choose(chosen: Chosen, unknown = false): void {
    this.chosen = chosen;
    this.unknown = unknown;
    this.write();
    this.draw();
    this.onchange();
  }

  /** What is chosen, as the two texts. */
  private write(): void {
    const { chosen } = this;
    const sigma = chosen.noise?.sigma ?? "?";
    this.noise.value = sigma === "?" ? "auto" : String(sigma / 100);
    const operator = operatorOf(chosen);
    this.text.value = operator === "none" && this.required && !chosen.noise ? "" : operator;
  }

  private typed(): void {
    this.read();
    this.onchange();
  }

  /** What the two texts choose. */
  private read(): void {
    const operator = this.text.value.trim();
    const noise = this.noise.value.trim();
    this.chosen = damagesOf(operator) ?? {};
    this.unknown = false;
    if (Number(noise) > 0) this.chosen.noise = { sigma: +(100 * Number(noise)).toPrecision(6) };
    else if (this.required && operator === "none") this.chosen.noise = { sigma: "?" };
    this.draw();
  }

  private draw(): void {
    this.fail(null);
    for (const [name, button] of this.buttons) pressed(button, name === "unknown" ? this.unknown : !!this.chosen[name] && !this.unknown);
    this.amounts.replaceChildren(...(this.unknown ? [] : DAMAGES.flatMap((damage) =>
      this.chosen[damage.name] ? damage.amounts.map((amount) => this.amount(damage, amount)) : [])));
    if (this.unknown) this.amounts.append(h("p", { class: "help" }, "It is taken to be blurred and noisy; how much is found out."));
    if (this.scratched) this.amounts.append(h("p", { class: "help" }, "Paint over the scratches on the picture."));
    this.onscratched(this.scratched);
    this.show();
  }

  private amount(damage: Damage, amount: Amount): HTMLElement {
    const held = this.chosen[damage.name];
    const label = `${damage.title}: ${amount.label[0].toLowerCase()}${amount.label.slice(1)}`;
    const value = h("output", {});
    const range = h("input", { type: "range", min: amount.min, max: amount.max, step: amount.step, value: amount.value, "aria-label": label, oninput: () => set(Number(range.value)) });
    const box = h("input", { type: "checkbox", onchange: () => set(box.checked ? "?" : Number(range.value)) });
    const tell = () => {
      const found = held[amount.name] === "?";
      value.textContent = found ? "to be found out" : String(held[amount.name]);
      range.classList.toggle("auto", found);
      range.setAttribute("aria-valuetext", value.textContent);
      box.checked = found;
    };
    const set = (to: number | "?") => {
      held[amount.name] = to;
      tell();
      this.write();
      this.show();
      this.onchange();
    };
    if (held[amount.name] !== "?") range.value = String(held[amount.name]);
    tell();
    return h("div", { class: "amount" }, h("span", {}, label), value, range,
      this.start(amount, damage.name) === "?" ? h("label", { class: "check" }, box, "Find it out") : null);
  }

  /** Show what the operator does to the source, once the sliders rest. */
  private readonly show = settled(250, async () => {
    const plain = damagesOf(this.text.value) || this.scratched;
    const { operator, noise, found } = plain ? exampleOf(this.chosen) : { operator: this.text.value, noise: Number(this.noise.value) || 0, found: false };
    this.running?.abort();
    this.shown.hidden = true;
    if (!this.source || (operator === "none" && !noise) || /\?|mask\(/.test(operator)) return;
    this.running = new AbortController();
    try {
      const { id } = this.source;
      const shown = await api.degrade(id, operator, noise, true, this.running.signal);
      this.whole = () => api.degrade(id, operator, noise, false);
      URL.revokeObjectURL(this.picture.src);
      this.picture.src = URL.createObjectURL(shown);
      this.caption.textContent = found ? "What such damage does, of a usual strength. That of your picture is found out when it is restored." : "What this does to the picture";
      this.shown.hidden = false;
      this.fail(null);
    } catch (error) {
      if (error instanceof Refused) this.fail(error.message);
    }
  });

  private async use(): Promise<void> {
    try {
      if (this.whole) this.onuse(new File([await this.whole()], "degraded.png", { type: "image/png" }));
    } catch (error) {
      if (error instanceof Refused) this.fail(error.message);
    }
  }
}
