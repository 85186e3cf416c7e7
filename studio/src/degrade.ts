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
  { name: "blur", title: "Blurred", operator: "blur", amounts: [{ name: "sigma", label: "How wide, in pixels", min: 0.3, max: 12, step: 0.1, value: 3 }] },
  { name: "motion_blur", title: "Shaken", operator: "motion_blur", amounts: [
    { name: "length", label: "How far, in pixels", min: 1, max: 40, step: 0.5, value: 9 },
    { name: "angle", label: "Direction, in degrees", min: -90, max: 90, step: 1, value: 0 }] },
  { name: "downsample", title: "Small", operator: "downsample", amounts: [{ name: "factor", label: "How many times larger it was", min: 2, max: 8, step: 1, value: 4 }] },
  { name: "grey", title: "No colors", operator: "grey", amounts: [] },
  { name: "mask", title: "Scratched", operator: "mask", amounts: [] },
  { name: "jpeg", title: "JPEG", operator: "jpeg", amounts: [{ name: "quality", label: "Quality it was saved with", min: 1, max: 95, step: 1, value: 20 }] },
  { name: "noise", title: "Noisy", operator: null, amounts: [{ name: "sigma", label: "How strong, in % of white", min: 0, max: 30, step: 0.5, value: 5 }] },
];
/** Amounts that the server can find out by itself. */
const FOUND_OUT = ["blur", "motion_blur", "jpeg"];

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

export class Degradation {
  private chosen: Chosen = {};
  private source: Upload | null = null;
  private running: AbortController | null = null;
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly amounts = h("div", { class: "amounts" });
  private readonly text = h("input", { type: "text", spellcheck: "false", autocomplete: "off", "aria-label": "Operator", oninput: () => this.typed() });
  private readonly noise = h("input", { type: "text", "aria-label": "Noise, as a share of white, or auto", value: "auto", autocomplete: "off", oninput: () => this.show() });
  private readonly picture = h("img", { alt: "The picture, degraded by this once more" });
  private readonly shown: HTMLElement;
  private readonly error = h("p", { class: "error", role: "alert", hidden: true });
  readonly el: HTMLElement;
  /** Called with whether scratches are to be painted. */
  onscratched: (on: boolean) => void = () => {};
  /** Called with the degraded picture that shall become the source. */
  onuse: (picture: File) => void = () => {};
  private degraded: Blob | null = null;

  constructor(private readonly required: boolean, views: boolean, private readonly onchange: () => void) {
    const chips = DAMAGES.filter(({ name }) => required || name !== "mask").map((damage) => {
      const button = h("button", { type: "button", class: "chip", onclick: () => this.toggle(damage) }, damage.title);
      this.buttons.set(damage.name, button);
      return button;
    });
    const unknown = h("button", { type: "button", class: "chip", onclick: () => this.unknown() }, "I do not know");
    unknown.hidden = !required;
    this.buttons.set("unknown", unknown);
    this.shown = h("figure", { class: "damage", hidden: true }, this.picture,
      h("figcaption", {}, h("span", {}, "What this does to the picture"),
        h("button", { type: "button", class: "link", onclick: () => this.use() }, "Degrade the picture like this, to try it")));
    this.el = h("fieldset", { class: "degradation", "data-field": "operator" },
      h("legend", {}, views ? "What happened to the views?" : "What happened to the picture?"),
      h("div", { class: "chips" }, ...chips, unknown), this.amounts, this.error, this.shown,
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
    this.chosen = damagesOf(operator) ?? {};
    this.draw();
  }

  fail(message: string | null): void {
    this.error.textContent = message ?? "";
    this.error.hidden = !message;
  }

  setSource(source: Upload | null): void {
    this.source = source?.kind === "picture" ? source : null;
    this.show();
  }

  private toggle(damage: Damage): void {
    if (this.chosen[damage.name]) delete this.chosen[damage.name];
    else this.chosen[damage.name] = Object.fromEntries(damage.amounts.map((each) => [each.name, each.value]));
    this.changed();
  }

  /** A blur of unknown width and noise of unknown strength: both are measured. */
  private unknown(): void {
    this.chosen = { blur: { sigma: "?" } };
    this.changed();
  }

  private changed(): void {
    const noise = this.chosen.noise?.sigma;
    this.noise.value = noise === undefined ? "auto" : String(Number(noise) / 100);
    const operator = operatorOf(this.chosen);
    this.text.value = operator === "none" && this.required && !this.chosen.noise ? "" : operator;
    this.draw();
    this.onchange();
  }

  private typed(): void {
    this.chosen = damagesOf(this.text.value) ?? {};
    this.draw();
    this.onchange();
  }

  private draw(): void {
    this.fail(null);
    const unknown = Object.keys(this.chosen).length === 1 && this.chosen.blur?.sigma === "?";
    for (const [name, button] of this.buttons) pressed(button, name === "unknown" ? unknown : !!this.chosen[name] && !(unknown && name === "blur"));
    this.amounts.replaceChildren(...DAMAGES.flatMap((damage) =>
      this.chosen[damage.name] ? damage.amounts.map((amount) => this.amount(damage, amount)) : []));
    if (this.scratched) this.amounts.append(h("p", { class: "help" }, "Paint over the scratches on the picture."));
    this.onscratched(this.scratched);
    this.show();
  }

  private amount(damage: Damage, amount: Amount): HTMLElement {
    const held = this.chosen[damage.name];
    const label = `${damage.title}: ${amount.label[0].toLowerCase()}${amount.label.slice(1)}`;
    const value = h("output", {}, held[amount.name] === "?" ? "found out" : String(held[amount.name]));
    const range = h("input", { type: "range", min: amount.min, max: amount.max, step: amount.step, value: held[amount.name] === "?" ? amount.value : held[amount.name], "aria-label": label,
      disabled: held[amount.name] === "?",
      oninput: () => { held[amount.name] = Number(range.value); value.textContent = range.value; this.slid(); } });
    const automatic = FOUND_OUT.includes(damage.name) && amount.name !== "angle"
      ? h("label", { class: "check" }, h("input", { type: "checkbox", checked: held[amount.name] === "?", onchange: (event: Event) => {
          held[amount.name] = (event.target as HTMLInputElement).checked ? "?" : amount.value;
          this.changed();
        } }), "Find it out")
      : null;
    return h("div", { class: "amount" }, h("span", {}, label), value, range, automatic);
  }

  private slid(): void {
    const { noise } = this.chosen;
    if (noise) this.noise.value = String(Number(noise.sigma) / 100);
    this.text.value = operatorOf(this.chosen) === "none" && !noise ? "" : operatorOf(this.chosen);
    this.show();
    this.onchange();
  }

  /** Show what the operator does to the source, once the sliders rest. */
  private readonly show = settled(250, async () => {
    const operator = this.text.value.trim();
    const noise = Number(this.noise.value) || 0;
    const useless = !operator || (operator === "none" && !noise) || operator.includes("?") || operator.includes("mask(");
    this.running?.abort();
    this.shown.hidden = true;
    if (!this.source || useless) return;
    this.running = new AbortController();
    try {
      this.degraded = await api.degrade(this.source.id, operator, noise, this.running.signal);
      URL.revokeObjectURL(this.picture.src);
      this.picture.src = URL.createObjectURL(this.degraded);
      this.shown.hidden = false;
      this.fail(null);
    } catch (error) {
      if (error instanceof Refused) this.fail(error.message);
    }
  });

  private use(): void {
    if (this.degraded) this.onuse(new File([this.degraded], "degraded.png", { type: "image/png" }));
  }
}
