/** One control for each field of /api/info, made from what the server says of it. */

import { type Field, type Upload, type Value, Refused, api } from "./api";
import { h } from "./dom";
import { methodName } from "./words";

export interface Control {
  field: Field;
  el: HTMLElement;
  get(): Value;
  set(value: Value): void;
  /** Show a sentence below the control; null removes it. */
  fail(message: string | null): void;
  focus(): void;
  /** Show what is taken where the control is left empty. */
  hint?(automatic: Value | undefined): void;
}

/** How far sliders go; the number beside each takes more. */
const SLIDERS: Record<string, [number, number, number]> = {
  strength: [0, 1, 0.05],
  guidance_scale: [0, 15, 0.5],
  num_images: [1, 8, 1],
  paths: [4, 256, 4],
};
const NAMES: Record<string, string> = {
  num_images: "Variants",
  guidance_scale: "Guidance",
  num_inference_steps: "Steps",
  init: "Begin with",
  mp4: "Turntable as MP4",
};
let count = 0;

/** Prompts are called after what they say; other options as they are called everywhere. */
export const nameOf = (field: Field): string =>
  field.name.endsWith("prompt") && field.help ? sentence(field.help.split(/[;(]/)[0].trim()) : (NAMES[field.name] ?? field.label);

/** Text of a number field as a value: empty is null (automatic), words stay text. */
export function readNumber(text: string): Value {
  const plain = text.trim();
  if (!plain) return null;
  const number = Number(plain.replace(/^(-?\d+),(\d+)$/, "$1.$2"));
  return Number.isNaN(number) ? plain : number;
}

export function control(field: Field, onchange: () => void): Control {
  switch (field.kind) {
    case "flag":
      return flag(field, onchange);
    case "choice":
      return choice(field, onchange);
    case "files":
    case "pictures":
    case "masks":
    case "picture":
      return files(field, onchange);
    case "number":
    case "integer":
      return SLIDERS[field.name] ? slider(field, onchange) : text(field, onchange);
  }
  return text(field, onchange);
}

function framed(field: Field, input: HTMLElement, extra: Partial<Control> & Pick<Control, "get" | "set">, ...more: Node[]): Control {
  const id = `f${count++}`;
  input.id = id;
  const error = h("p", { class: "error", role: "alert", id: `${id}-e`, hidden: true });
  const help = field.help && h("p", { class: "help", id: `${id}-h` }, sentence(field.help));
  input.setAttribute("aria-describedby", `${help ? `${id}-h ` : ""}${id}-e`);
  const el = h("div", { class: `field ${field.kind}`, "data-field": field.name },
    h("label", { for: id }, nameOf(field)), ...(more.length ? more : [input]), help || null, error);
  return {
    field,
    el,
    fail(message) {
      error.textContent = message ?? "";
      error.hidden = !message;
      input.setAttribute("aria-invalid", String(!!message));
      if (message) for (let at: Element | null = el; at; at = at.parentElement) if (at instanceof HTMLDetailsElement) at.open = true;
    },
    focus: () => input.focus(),
    ...extra,
  };
}

const sentence = (help: string): string => help[0].toUpperCase() + help.slice(1);

function text(field: Field, onchange: () => void): Control {
  const numeric = ["number", "integer"].includes(field.kind);
  const long = ["lines", "texts"].includes(field.kind) || field.name.endsWith("prompt");
  const placeholder = numeric && (field.optional || field.default === null) ? "automatic" : "";
  const props = { placeholder, autocomplete: "off", spellcheck: "false", oninput: onchange };
  const input = long ? h("textarea", { ...props, rows: field.kind === "lines" ? 2 : 1 }) : h("input", { type: "text", inputmode: numeric ? "decimal" : null, ...props });
  const get = (): Value => {
    if (numeric) return readNumber(input.value);
    return input.value.trim() || null;
  };
  const set = (value: Value) => {
    input.value = Array.isArray(value) ? value.join(field.kind === "numbers" ? " " : "\n") : String(value ?? "");
  };
  set(field.default);
  const hint = (taken: Value | undefined) => {
    if (numeric && taken !== undefined && taken !== null) input.placeholder = `${taken}, as the method has it`;
    else input.placeholder = placeholder;
  };
  return framed(field, input, { get, set, hint });
}

function slider(field: Field, onchange: () => void): Control {
  const [min, max, step] = SLIDERS[field.name];
  const number = h("input", { type: "text", inputmode: "decimal", placeholder: "auto", autocomplete: "off", "aria-label": nameOf(field) });
  const range = h("input", { type: "range", min, max, step });
  let automatic: Value = null;
  const show = (value: Value) => {
    number.value = value === null ? "" : String(value);
    range.value = String(value ?? automatic ?? (min + max) / 2);
    range.classList.toggle("auto", value === null);
    range.style.setProperty("--at", `${(100 * (Number(range.value) - min)) / (max - min)}%`);
    range.setAttribute("aria-valuetext", value === null ? "automatic" : String(value));
  };
  range.addEventListener("input", () => (show(Number(range.value)), onchange()));
  number.addEventListener("change", () => (show(readNumber(number.value)), onchange()));
  show(field.default);
  const row = h("div", { class: "slider" }, range, number);
  const hint = (taken: Value | undefined) => {
    automatic = typeof taken === "number" ? taken : null;
    number.placeholder = automatic === null ? "auto" : String(automatic);
    if (!number.value) show(null);
  };
  return framed(field, range, { get: () => readNumber(number.value), set: show, hint }, row);
}

function flag(field: Field, onchange: () => void): Control {
  const input = h("input", { type: "checkbox", class: "switch", onchange });
  input.checked = field.default === true;
  return framed(field, input, { get: () => input.checked, set: (value) => (input.checked = value === true) });
}

function choice(field: Field, onchange: () => void): Control {
  const choices = field.choices ?? [];
  const values = field.optional ? [{ value: "", text: "automatic" }, ...choices] : choices;
  const select = h("select", { onchange },
    ...values.map(({ value, text: words }) => h("option", { value }, label(value, words))));
  const set = (value: Value) => (select.value = String(value ?? ""));
  set(field.default);
  const get = () => choices.find((each) => String(each.value) === select.value)?.value ?? null;
  return framed(field, select, { get, set });
}

function label(value: string | number, words: string): string {
  const name = String(value).replaceAll("_", " ");
  return words && words !== String(value) ? (name ? `${name}: ${words}` : words) : name;
}

/** The methods, with a line each on what they do to the picture. */
export function methods(field: Field, onchange: () => void): Control {
  const name = `method${count++}`;
  const summary = h("summary", {});
  const radios = (field.choices ?? []).map((each) => {
    const { value, text: words } = each;
    const input = h("input", { type: "radio", name, value, onchange: () => (show(), onchange()) });
    const title = methodName(each);
    return { input, title, row: h("label", { class: "method" }, input, h("span", {}, h("b", {}, title), h("small", {}, sentence(words || " ")))) };
  });
  const chosen = () => radios.find((each) => each.input.checked) ?? radios[0];
  const show = () =>
    summary.replaceChildren(h("span", { class: "grow" }, "Method"), h("span", { class: "quiet" }, chosen().title));
  const set = (value: Value) => {
    for (const { input } of radios) input.checked = input.value === String(value ?? field.default);
    show();
  };
  set(field.default);
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const el = h("details", { class: "fold", "data-field": field.name }, summary,
    h("div", { class: "methods", role: "radiogroup", "aria-label": "Method" }, ...radios.map((each) => each.row)), error);
  return {
    field, el, set, get: () => chosen().input.value, focus: () => chosen().input.focus(),
    fail(message) {
      error.textContent = message ?? "";
      error.hidden = !message;
      if (message) el.open = true;
    },
  };
}

function files(field: Field, onchange: () => void): Control {
  const several = field.kind !== "picture";
  let held: Upload[] = [];
  const list = h("ul", { class: "files" });
  const input = h("input", { type: "file", multiple: several });
  const shown = () =>
    list.replaceChildren(...held.map((file) => h("li", {}, h("span", { class: "grow" }, file.name),
      h("button", { type: "button", class: "link", onclick: () => ((held = held.filter((each) => each !== file)), shown(), onchange()) }, "Remove"))));
  const made = framed(field, input, {
    get: () => (several ? held.map((each) => each.id) : (held[0]?.id ?? null)),
    set(value) {
      const ids = Array.isArray(value) ? value : value ? [value] : [];
      held = ids.map((id) => held.find((each) => each.id === id) ?? ({ id: String(id), name: `${nameOf(field)} of that run` } as Upload));
      shown();
    },
  }, h("div", {}, input, list));
  input.addEventListener("change", async () => {
    const chosen = [...(input.files ?? [])];
    input.value = "";
    made.fail(null);
    try {
      const added = await Promise.all(chosen.map((file) => api.upload([file])));
      held = several ? [...held, ...added] : added;
      shown();
      onchange();
    } catch (error) {
      made.fail((error as Refused).message);
    }
  });
  return made;
}
