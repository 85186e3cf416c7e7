import "./style.css";
import { App } from "./app";
import { type Info, api } from "./api";
import { modelName } from "./words";
import { h, icon, remember, remembered, tool } from "./dom";
import { type Key, Keys } from "./keys";

const THEME = "dreamsampler-theme";
const root = document.getElementById("app")!;

/** Light, dark, or as the system has it. */
function applyTheme(): void {
  const theme = remembered(THEME);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function switchTheme(): void {
  const dark = (remembered(THEME) ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  remember(THEME, dark ? "light" : "dark");
  applyTheme();
}

function keysOf(app: App, help: () => void): Key[] {
  const { stage, brushes, viewer } = app;
  const key = (group: string, keys: string, says: string, act: () => void, release?: () => void): Key => ({ group, keys, says, act, release });
  const painting = (act: () => void) => () => brushes.bar.hidden || act();
  return [
    key("Run", "Control+Enter", "Run", () => void app.run()),
    key("Run", "Escape", "Cancel the run", () => void app.cancel()),
    key("Run", "g", "Go on from the result", () => void app.goOn()),
    key("Run", "d", "Download the result", () => document.querySelector<HTMLElement>("[data-id=download]")?.click()),
    key("Run", ",", "Step back", () => app.step(-1)),
    key("Run", ".", "Step forward", () => app.step(1)),
    key("Run", "p", "Another picture", () => app.choose()),
    key("Run", "h", "Earlier runs", () => app.history.open()),
    key("View", "+ =", "Zoom in", () => stage.zoom(1.25)),
    key("View", "-", "Zoom out", () => stage.zoom(1 / 1.25)),
    key("View", "0", "Fit the picture", () => stage.fit()),
    key("View", "1", "Zoom to 100 %", () => stage.zoomTo(1)),
    key("View", "c", "Hold: see the source", () => stage.hold(true), () => stage.hold(false)),
    key("View", "x", "Source or result", () => viewer.toggleSource()),
    key("View", "s", "Compare with a slider", () => viewer.toggleSlider()),
    key("View", "v", "All variants", () => viewer.toggleVariants()),
    key("View", "o", "Outlines of a drawing", () => viewer.toggleOutline()),
    key("View", "n", "Next path of a drawing", () => viewer.stepPath(1)),
    key("View", "m", "Model or turntable", () => viewer.toggleModel()),
    key("Brush", "b", "Brush", painting(() => brushes.use(false))),
    key("Brush", "e", "Eraser", painting(() => brushes.use(true))),
    key("Brush", "[", "Smaller", painting(() => brushes.resize(-1))),
    key("Brush", "]", "Larger", painting(() => brushes.resize(1))),
    key("Brush", "{", "Harder", painting(() => brushes.soften(-1))),
    key("Brush", "}", "Softer", painting(() => brushes.soften(1))),
    key("Brush", "Control+z", "Undo", painting(() => brushes.undo())),
    key("Brush", "Control+Shift+z Control+y", "Redo", painting(() => brushes.redo())),
    key("Brush", "f", "Paint everything", painting(() => brushes.change((mask) => mask.fill(brushes.current)))),
    key("Brush", "i", "Invert", painting(() => brushes.change((mask) => mask.invert(brushes.current)))),
    key("Brush", "Delete Backspace", "Clear", painting(() => brushes.clear())),
    ...app.modes.map((mode, i) => key("Page", `Alt+${i + 1}`, mode.title, () => void app.changeMode(mode.key))),
    key("Page", "t", "Light or dark", switchTheme),
    key("Page", "?", "This list", help),
  ];
}

/** What the model knows, from its card. */
function aboutModel({ title, card, version, user, photo }: Info): HTMLDialogElement {
  const text = card.replace(/\s*\(`[^)]*`\)/g, "").replace(/([^\n])\n(?=\S)/g, "$1 ").trim();
  const dialog: HTMLDialogElement = h("dialog", { class: "sheet", "aria-labelledby": "model-title" },
    h("header", {}, h("h2", { id: "model-title" }, "The model"),
      h("button", { type: "button", class: "tool", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    h("p", {}, [modelName(title, photo), ...title.split(" · ").slice(1)].join(" · ")), h("p", { class: "card-text" }, text || "It has no card here."),
    h("p", { class: "quiet" }, `DreamSampler ${version}${user ? `, logged in as ${user}` : ""}`));
  return dialog;
}

async function start(): Promise<void> {
  applyTheme();
  const info = await api.info();
  const about = aboutModel(info);
  const opener: { history?: () => void; keys?: () => void } = {};
  const header = (tabs: HTMLElement) => h("header", { class: "head" },
    h("h1", { class: "brand" }, h("i", { class: "logo", "aria-hidden": "true" }), "DreamSampler"), tabs,
    h("span", { class: "about" },
      h("button", { type: "button", class: "tool text model-name", title: "The model, and what it knows", onclick: () => about.showModal() }, h("span", { class: "wide" }, modelName(info.title, info.photo)), h("span", { class: "short" }, "Model")),
      h("button", { type: "button", class: "tool text", title: "Earlier runs (H)", onclick: () => opener.history?.() }, icon("history"), h("span", {}, "History")),
      tool("theme", "Light or dark", "T", switchTheme), tool("help", "Keyboard", "?", () => opener.keys?.())));
  const app = new App(info, root, header);
  opener.history = () => app.history.open();
  const keys: Keys = new Keys(keysOf(app, () => keys.dialog.showModal()));
  opener.keys = () => keys.dialog.showModal();
  root.append(keys.dialog, about);
  await app.takeUp();
  document.body.dataset.ready = "yes";
}

start().catch((error: Error) => {
  root.replaceChildren(h("p", { class: "broken", role: "alert" }, error.message));
});
