/** Drawings: SVG that is safe to show, outlines, and points that can be dragged. */

import { h } from "./dom";

const SPACE = "http://www.w3.org/2000/svg";
const TAGS = ["svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "defs", "clipPath", "linearGradient", "radialGradient", "stop", "use", "title"];
const ATTRIBUTES = /^(viewBox|width|height|d|points|x|y|x1|y1|x2|y2|cx|cy|r|rx|ry|fx|fy|id|class|transform|offset|gradientUnits|gradientTransform|clip-path|clip-rule|opacity|(fill|stroke|stop)(-[a-z]+)?)$/;

/** A copy of an SVG text with shapes and colors only: no scripts, links, styles or pictures. */
export function readDrawing(text: string): SVGSVGElement | null {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (root.localName !== "svg") return null;
  for (const sheet of root.querySelectorAll("style")) applyRules(root, sheet.textContent ?? "");
  for (const each of [root, ...root.querySelectorAll("[style]")]) declare(each, each.getAttribute("style") ?? "");
  const svg = copy(root) as SVGSVGElement;
  if (!svg.getAttribute("viewBox")) {
    svg.setAttribute("viewBox", `0 0 ${parseFloat(root.getAttribute("width") ?? "") || 100} ${parseFloat(root.getAttribute("height") ?? "") || 100}`);
  }
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  svg.setAttribute("preserveAspectRatio", "none");
  return svg;
}

/** The page allows no styles inside of drawings: what they declare becomes attributes. */
function declare(element: Element, text: string): void {
  for (const [, name, value] of text.matchAll(/([\w-]+)\s*:\s*([^;]+)/g)) {
    if (ATTRIBUTES.test(name)) element.setAttribute(name, value.replace("!important", "").trim());
  }
}

/** Simple rules of a style sheet, in their order; what a browser cannot select is left out. */
function applyRules(root: Element, sheet: string): void {
  for (const [, selector, text] of sheet.replace(/\/\*[^]*?\*\//g, "").matchAll(/([^{}@]+)\{([^{}]*)\}/g)) {
    try {
      for (const each of root.querySelectorAll(selector.trim())) declare(each, text);
    } catch {
      continue;
    }
  }
}

function copy(from: Element): Element {
  const to = document.createElementNS(SPACE, from.localName);
  for (const { name, value } of from.attributes) {
    if (ATTRIBUTES.test(name) && !/url\((?!\s*['"]?#)/.test(value)) to.setAttribute(name, value);
  }
  for (const child of from.children) if (TAGS.includes(child.localName)) to.append(copy(child));
  return to;
}

/** A path's commands, all absolute; null where it has commands beside M, L, C, Q and Z. */
export type Command = { letter: string; numbers: number[] };

export function readPath(d: string): Command[] | null {
  const commands: Command[] = [];
  const wants: Record<string, number> = { M: 2, L: 2, C: 6, Q: 4, Z: 0 };
  for (const [, letter, rest] of d.matchAll(/([a-zA-Z])([^a-zA-Z]*(?:e[-+]?\d+[^a-zA-Z]*)*)/g)) {
    const name = letter === "z" ? "Z" : letter;
    const numbers = [...rest.matchAll(/-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/g)].map(Number);
    const each = wants[name];
    if (each === undefined || (each ? numbers.length % each !== 0 || !numbers.length : numbers.length)) return null;
    if (!each) commands.push({ letter: "Z", numbers: [] });
    for (let i = 0; i < numbers.length; i += each) {
      commands.push({ letter: name === "M" && i ? "L" : name, numbers: numbers.slice(i, i + each) });
    }
  }
  return commands;
}

export const writePath = (commands: Command[]): string =>
  commands.map(({ letter, numbers }) => letter + numbers.map((each) => +each.toFixed(3)).join(" ")).join("");

/** Move the point that ends a command; handles beside it and a coinciding start move along. */
export function movePoint(commands: Command[], at: number, dx: number, dy: number): void {
  const shift = (numbers: number[], from: number) => {
    numbers[from] += dx;
    numbers[from + 1] += dy;
  };
  const end = (i: number) => commands[i].numbers.slice(-2).join();
  const place = end(at);
  const same = [at];
  for (let start = at; start >= 0; start--) {
    if (commands[start].letter !== "M") continue;
    let last = start;
    while (commands[last + 1] && !"MZ".includes(commands[last + 1].letter)) last += 1;
    if (at === start && last !== at && end(last) === place) same.push(last);
    if (at === last && start !== at && end(start) === place) same.push(start);
    break;
  }
  for (const i of same) {
    const { letter, numbers } = commands[i];
    if (letter === "C") shift(numbers, 2);
    shift(numbers, numbers.length - 2);
    const next = commands[i + 1];
    if (next?.letter === "C") shift(next.numbers, 0);
  }
}

/** Handles on a path of a drawing: one for each of its points. */
export class Points {
  readonly el = h("div", { class: "points" });
  private path: SVGPathElement | null = null;

  constructor(private readonly svg: SVGSVGElement, private readonly onchange: () => void) {
    svg.addEventListener("click", (event) => {
      const path = (event.target as Element).closest("path");
      if (path && svg.closest(".outlines")) this.choose(path);
    });
  }

  choose(path: SVGPathElement | null): void {
    this.path?.classList.remove("chosen");
    this.path = path;
    path?.classList.add("chosen");
    this.draw();
  }

  /** Choose the path before or after the present one. */
  step(by: number): void {
    const paths = [...this.svg.querySelectorAll("path")];
    const at = this.path ? paths.indexOf(this.path) + by : 0;
    this.choose(paths[(at + paths.length) % paths.length] ?? null);
  }

  private draw(): void {
    const commands = this.path && readPath(this.path.getAttribute("d") ?? "");
    const ctm = this.path?.getCTM();
    const inside = this.svg.getCTM();
    if (!commands || !ctm || !inside) return this.el.replaceChildren();
    const box = this.svg.viewBox.baseVal;
    const matrix = inside.inverse().multiply(ctm);
    const handles = commands.flatMap(({ letter, numbers }, i) => {
      if (letter === "Z" || (letter !== "M" && this.closes(commands, i))) return [];
      const [x, y] = numbers.slice(-2);
      const place = new DOMPoint(x, y).matrixTransform(matrix);
      const handle = h("button", { type: "button", class: "handle", "aria-label": `Point ${i + 1}: arrow keys move it` });
      handle.style.left = `${(100 * (place.x - box.x)) / box.width}%`;
      handle.style.top = `${(100 * (place.y - box.y)) / box.height}%`;
      this.listen(handle, i);
      return [handle];
    });
    this.el.replaceChildren(...handles);
  }

  /** Whether a command ends where its subpath began. */
  private closes(commands: Command[], at: number): boolean {
    let start = at;
    while (start > 0 && commands[start].letter !== "M") start -= 1;
    const next = commands[at + 1];
    return (!next || "MZ".includes(next.letter)) && commands[start].numbers.join() === commands[at].numbers.slice(-2).join();
  }

  private move(at: number, dx: number, dy: number): void {
    const path = this.path;
    const commands = path && readPath(path.getAttribute("d") ?? "");
    const ctm = path?.getScreenCTM()?.inverse();
    if (!path || !commands || !ctm) return;
    movePoint(commands, at, ctm.a * dx + ctm.c * dy, ctm.b * dx + ctm.d * dy);
    path.setAttribute("d", writePath(commands));
    this.onchange();
  }

  private listen(handle: HTMLElement, at: number): void {
    const follow = (dx: number, dy: number) => {
      this.move(at, dx, dy);
      const { left, top } = this.el.getBoundingClientRect();
      const box = handle.getBoundingClientRect();
      handle.style.left = `${((box.left + box.width / 2 + dx - left) / this.el.getBoundingClientRect().width) * 100}%`;
      handle.style.top = `${((box.top + box.height / 2 + dy - top) / this.el.getBoundingClientRect().height) * 100}%`;
    };
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) follow(event.movementX, event.movementY);
    });
    handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      follow((event.shiftKey ? 8 : 1) * way[0], (event.shiftKey ? 8 : 1) * way[1]);
    });
  }
}
