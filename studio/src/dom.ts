type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

/** Make an element: `on...` props are listeners, `class` and others are attributes; null leaves one out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((each): each is Node | string => !!each));
  return element;
}

/** Paths of icons on a grid of 24, drawn as lines. */
const ICONS: Record<string, string> = {
  open: "M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3M12 15V4M7.5 8.5 12 4l4.5 4.5",
  brush: "M4 20c3 0 5-1 5-4 0-1.5 1-2.5 2.5-2.5S14 15 14 16.5C14 19 10 20 4 20zM12 13 19 4.5a1.5 1.5 0 0 1 2 2L13.5 14",
  eraser: "M8 20h12M4.5 14.5l9-9a2 2 0 0 1 2.800 0l3.200 3.200a2 2 0 0 1 0 2.800L12 19.5H8.5l-4-4a.7.7 0 0 1 0-1zM9 10l6 6",
  undo: "M4 9h10a5 5 0 0 1 0 10h-4M8 5 4 9l4 4",
  redo: "M20 9H10a5 5 0 0 0 0 10h4M16 5l4 4-4 4",
  fill: "M4 4h16v16H4zM7.5 7.5h9v9h-9zM9 12h6M12 9v6",
  invert: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  mask: "M4 5h16v14H4zM8 15l3-4 2.5 3L16 11l4 5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  compare: "M12 3v18M5 6h7v12H5zM12 6h7v12h-7",
  slider: "M12 3v18M8 9l-3 3 3 3M16 9l3 3-3 3",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  outline: "M5 17C8 5 16 5 19 17M3 17h4M17 17h4M12 6v4",
  download: "M12 4v11M7.5 10.5 12 15l4.5-4.5M5 20h14",
  recipe: "M7 3h7l4 4v14H7zM14 3v4h4M10 12h5M10 16h5",
  forward: "M4 12h15M13 6l6 6-6 6",
  back: "M20 12H5M11 6l-6 6 6 6",
  history: "M12 7v5l3.5 2M4.5 9A8 8 0 1 1 4 12M4 5v4h4",
  help: "M9 9a3 3 0 1 1 4 2.800c-.8.3-1 .9-1 2.200M12 17.5v.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  theme: "M20 14a8 8 0 0 1-10-10 8 8 0 1 0 10 10z",
  close: "M6 6l12 12M18 6 6 18",
  more: "M6 9l6 6 6-6",
  cube: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  reset: "M5 12a7 7 0 1 0 2-5M4 4v4h4",
  expand: "M8 8h8v8H8zM4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
};

export function icon(name: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/** A button with an icon; its label is read aloud and shown as a tooltip, with its key. */
export function tool(name: string, label: string, key: string, onclick: () => void): HTMLButtonElement {
  const title = key ? `${label} (${key})` : label;
  return h("button", { type: "button", class: "tool", "aria-label": label, title, onclick }, icon(name));
}

export function pressed(button: HTMLElement, on: boolean): void {
  button.setAttribute("aria-pressed", String(on));
}

/** Read a message aloud without moving the focus. */
export function announce(text: string): void {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

/** Store a choice of the visitor in this browser; private windows may refuse. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    /* the choice lasts until the page closes */
  }
}

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Call a function once calls have ceased for some milliseconds. */
export function settled<A extends unknown[]>(wait: number, call: (...given: A) => void): (...given: A) => void {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => call(...given), wait);
  };
}
