/** The page: its layout, the picture that is worked on, and how a run goes. */

import { type Info, type Run, type Upload, type Values, Refused, api, fileOf, preview, urlOf } from "./api";
import { Brushes } from "./brush";
import { Busy } from "./busy";
import { announce, h, icon, settled } from "./dom";
import { readDrawing } from "./drawing";
import { Empty } from "./empty";
import { Expander } from "./expand";
import { Form } from "./form";
import { NO_EDGES } from "./geometry";
import { History } from "./history";
import { keepSitting, keptSitting } from "./kept";
import { type Mode, Tabs, type Try, modesOf } from "./modes";
import { Outcome } from "./outcome";
import { type Progress, follow, over } from "./progress";
import { requestOf } from "./request";
import { Stage } from "./stage";
import { type Entry, Sitting, Strip } from "./strip";
import { Viewer } from "./viewer";

const BUSY = "Another run is under way: wait for it, or cancel it.";

/** What the source is, and what a mode makes of it. */
function describe({ name, kind, width, height }: Upload, mode: string): string {
  const drawing = kind === "svg" && mode !== "vectorize" ? " · worked on as a picture; Vectorize edits its paths" : "";
  return `${name} · ${kind === "scene" ? "views of " : ""}${width} × ${height} pixels${drawing}`;
}

/** On a phone the canvas is above the form: go there. */
function toCanvas(): void {
  if (window.matchMedia("(max-width: 820px)").matches) window.scrollTo({ top: 0, behavior: "smooth" });
}

export class App {
  readonly stage = new Stage();
  readonly brushes = new Brushes(this.stage);
  readonly expander = new Expander(this.stage);
  readonly viewer = new Viewer(this.stage);
  readonly sitting = new Sitting();
  readonly strip = new Strip(this.sitting, (entry) => this.open(entry));
  readonly outcome = new Outcome({ goOn: () => void this.goOn(), useSettings: () => void this.useSettings(), undo: () => this.step(-1) });
  readonly history: History;
  readonly modes: Mode[];
  private readonly forms = new Map<string, Form>();
  private readonly tabs: Tabs;
  private readonly sources = new Map<string, Upload>();
  private readonly panel = h("aside", { class: "panel", "aria-label": "Settings" });
  private readonly empty: Empty;
  private readonly busy = new Busy(() => void this.cancel());
  private readonly problem = h("div", { class: "problem", role: "alert", hidden: true });
  mode!: Mode;
  running: string | null = null;
  private stop: (() => void) | null = null;
  /** The source that is on the canvas. */
  private shown: Upload | null = null;
  /** The step of the strip that the canvas shows; null while it shows a source alone, or a run. */
  private seen: Entry | null = null;
  /** Whether the canvas follows the run under way. */
  private watching = false;
  /** What becomes of the run under way. */
  private started: Entry | null = null;

  constructor(private readonly info: Info, root: HTMLElement, header: (tabs: HTMLElement) => HTMLElement) {
    this.modes = modesOf(info);
    this.history = new History(info);
    this.history.onopen = (run) => this.openRun(run);
    this.history.onuse = (run) => void this.fillFrom(run);
    this.history.onrecipe = (file) => void this.fillFromFile(file);
    this.history.ondelete = (id) => {
      const gone = this.seen?.run?.id === id;
      this.sitting.drop(id);
      if (gone && this.sitting.current) this.open(this.sitting.current);
      else if (gone) this.showEntry(null);
      else this.strip.draw();
      this.keep();
    };
    this.empty = new Empty(info, (files) => void this.take(files), (example) => void this.tryExample(example));
    this.tabs = new Tabs(this.modes, (key) => void this.changeMode(key));
    this.panel.id = "panel";
    const change = h("button", { type: "button", class: "tool text", title: "Another picture (P)", "aria-label": "Open another picture", onclick: () => this.empty.choose() }, icon("open"), h("span", {}, "Open"));
    this.viewer.bar.prepend(change);
    const stage = h("div", { class: "stage" }, this.stage.el, this.expander.el, this.viewer.over, this.empty.el,
      h("div", { class: "bars top" }, this.brushes.bar), h("div", { class: "bars bottom" }, this.viewer.bar), this.busy.el, this.problem);
    root.replaceChildren(header(this.tabs.el), h("main", {}, h("div", { class: "work" }, this.strip.el, h("div", { class: "middle" }, stage, this.outcome.el)), this.panel),
      this.history.el, h("div", { id: "live", class: "away", "aria-live": "polite" }));
    this.viewer.onview = () => { this.expander.place(); document.body.classList.toggle("has-picture", this.stage.size.width > 0); };
    this.viewer.onpick = (index) => this.pick(index);
    this.brushes.onchange = (stroke) => {
      this.form.fail(null, null);
      if (stroke && this.mode.key === "remove" && this.form.once.checked) void this.run();
    };
    this.brushes.adopt = () => void this.goOn();
    this.brushes.revert = () => this.step(-1);
    this.setMode(this.modes[0].key);
  }

  get form(): Form {
    return this.forms.get(this.mode.key)!;
  }

  /** The picture that the present mode works on. */
  get source(): Upload | null {
    const { key } = this.mode;
    return this.sources.get(key === "reconstruct" ? "scene" : "flat") ?? null;
  }

  /** Another mode goes on with what the canvas shows. */
  async changeMode(key: string): Promise<void> {
    if (key === this.mode.key) return;
    if (this.stage.shown !== "source") await this.goOn();
    this.setMode(key);
    this.keep();
  }

  setMode(key: string): void {
    const mode = this.modes.find((each) => each.key === key) ?? this.modes[0];
    if (mode === this.mode) return;
    this.mode = mode;
    if (!this.forms.has(mode.key)) this.forms.set(mode.key, this.makeForm(mode));
    this.tabs.show(mode.key);
    this.panel.setAttribute("aria-label", `Settings: ${mode.title}`);
    this.panel.replaceChildren(this.form.el);
    this.empty.show(mode, this.sources.has("flat"));
    this.tell(null);
    if (this.source !== this.shown) this.showSource();
    this.form.setSource(this.source);
    this.showEntry(null);
    this.paintable();
    this.check();
  }

  private makeForm(mode: Mode): Form {
    const form = new Form(mode, this.info);
    form.onrun = () => void this.run();
    form.onchange = () => this.check();
    form.onexample = (example) => void this.tryExample(example);
    form.oncolor = (color) => this.brushes.pick(color);
    form.onlimit = () => this.paintable();
    if (form.degradation) {
      form.degradation.onscratched = () => this.mode === mode && this.paintable();
      form.degradation.onuse = (picture) => void this.take([picture]);
    }
    return form;
  }

  /** Painting is on where the mode uses a mask. */
  private paintable(): void {
    const { key } = this.mode;
    const needed = ["inpaint", "remove"].includes(key) || (key === "edit" && this.form.limit.checked) || (key === "restore" && !!this.form.degradation?.scratched);
    if (key !== "inpaint") this.brushes.current = 0;
    this.brushes.adopts = key === "remove" && !this.running;
    this.brushes.enable(needed && !!this.source);
    this.expander.enable(key === "inpaint" && !!this.source);
    if (key !== "inpaint") this.expander.reset();
  }

  private showSource(): void {
    const { source } = this;
    this.shown = source;
    this.empty.el.hidden = !!source;
    this.stage.setSource(source ? preview(source) : null, source?.width, source?.height, source?.name);
    this.brushes.reset();
    this.form.setSource(source);
    this.paintable();
    this.viewer.sync();
  }

  /** Upload files; they become the picture. */
  async take(files: File[]): Promise<void> {
    if (!files.length) return;
    this.empty.waiting(true);
    this.tell(null);
    try {
      const file = await api.upload(files);
      if (file.kind === "scene" && this.mode.key !== "reconstruct") this.setMode("reconstruct");
      if (file.kind === "picture" && this.mode.key === "reconstruct") throw new Refused("A scene needs transforms.json and its pictures: choose all of them together.");
      this.place(file);
      announce(`${file.name}, ${file.width} by ${file.height} pixels`);
    } catch (error) {
      this.tell((error as Error).message);
    } finally {
      this.empty.waiting(false);
    }
  }

  /** Make a file the source, as a step that one can go back to. */
  private place(file: Upload): void {
    this.setFile(file);
    this.showSource();
    const known = this.sitting.entries.findIndex((each) => !each.run && each.source?.id === file.id);
    if (known < 0) this.sitting.push({ mode: this.mode.key, source: file, run: null, pick: -1, edges: NO_EDGES });
    else this.sitting.at = known;
    this.showEntry(this.sitting.current);
    this.keep();
    this.check();
  }

  private setFile(file: Upload): void {
    const place = file.kind === "scene" ? "scene" : "flat";
    if (this.sources.get(place)?.id !== file.id) this.sources.set(place, file);
  }

  async tryExample(example: Try): Promise<void> {
    if (this.running) return this.form.fail(BUSY, null);
    this.empty.waiting(true);
    try {
      const filled = await api.example(example.of, example.name);
      const picture = filled.files[String(filled.values.image)];
      if (this.mode.key === "remove") this.place(picture);
      else {
        await this.fill(filled);
        await this.run();
      }
    } catch (error) {
      this.tell((error as Error).message);
    } finally {
      this.empty.waiting(false);
    }
  }

  private async fill({ values, files }: { values: Values; files: Record<string, Upload> }, keepSeed = false): Promise<void> {
    const file = files[String(values.image)];
    if (file) this.place(file);
    this.form.fill(values, keepSeed);
    const masks = [values.mask_image ?? [], this.form.degradation?.scratched ? (values.operator_files ?? []) : []].flat().map(String);
    this.brushes.reset();
    if (masks.length && this.mode.key === "edit") this.form.limit.checked = true;
    for (const [i, id] of masks.entries()) await this.brushes.loadFrom(urlOf(id), Math.min(i, 3));
    this.paintable();
  }

  async useSettings(): Promise<void> {
    if (this.sitting.current?.run) await this.fillFrom(this.sitting.current.run);
  }

  private async fillFrom(run: Run): Promise<void> {
    this.setMode(this.modeOf(run));
    try {
      const source = await this.sourceOf(run);
      await this.fill({ values: run.values, files: source ? { [source.id]: source } : {} }, true);
    } catch (error) {
      this.tell((error as Error).message);
    }
  }

  /** Settings from a recipe, or from a picture or drawing that was made here. */
  private async fillFromFile(file: File): Promise<void> {
    try {
      const { task, values } = await api.recipe(file);
      this.setMode(this.modeOf({ task, values }));
      await this.fill({ values: { ...values, image: null, mask_image: null }, files: {} }, true);
    } catch (error) {
      this.tell((error as Error).message);
    }
  }

  private modeOf(run: Pick<Run, "task" | "values">): string {
    return run.task === "inpaint" && run.values.remove ? "remove" : run.task;
  }

  private async sourceOf(run: Run): Promise<Upload | null> {
    const id = run.values.image;
    const known = this.sitting.entries.find((each) => each.source?.id === id)?.source;
    return known ?? (typeof id === "string" ? api.file(id) : null);
  }

  async openRun(run: Run): Promise<void> {
    try {
      const known = this.sitting.entries.findIndex((each) => each.run?.id === run.id);
      if (known >= 0) return this.open(this.sitting.entries[(this.sitting.at = known)]);
      const source = await this.sourceOf(run).catch(() => null);
      const grown = run.values.expand as number[] | null;
      const edges = grown ? { left: grown[0], top: grown[1], right: grown[2], bottom: grown[3] } : NO_EDGES;
      this.sitting.push({ mode: this.modeOf(run), source, run, pick: 0, edges });
      this.open(this.sitting.current!);
    } catch (error) {
      this.tell((error as Error).message);
    }
  }

  /** Show an entry of the strip, with its source. */
  open(entry: Entry): void {
    if (entry.source) this.setFile(entry.source);
    else this.sources.delete("flat"); // drawn from a prompt alone
    this.setMode(entry.mode);
    if (this.shown !== this.source) this.showSource();
    this.showEntry(entry);
    this.keep();
  }

  step(by: number): void {
    const { current } = this.sitting;
    if (by < 0 && current?.run && current !== this.seen) this.open(current);
    else if (this.sitting.step(by)) this.open(this.sitting.current!);
  }

  /** Show a step of the strip, or the source alone. */
  private showEntry(entry: Entry | null): void {
    const { source } = this;
    const run = entry?.run ?? null;
    this.seen = entry;
    this.watching = false;
    this.empty.el.hidden = !!source || !!run;
    if (!source && !run && this.stage.size.width) this.stage.setSource(null);
    this.outcome.show(run, entry?.pick ?? -1, source ? describe(source, this.mode.key) : "");
    void this.viewer.show(run, entry?.pick ?? -1, entry?.edges).catch((error: Error) => this.tell(error.message));
    this.brushes.sync();
    this.strip.draw(!!source || !!run);
  }

  pick(index: number): void {
    if (!this.seen?.run) return;
    this.seen.pick = index;
    this.showEntry(this.seen);
    this.keep();
  }

  /** The result that the canvas shows becomes the source; nothing where it shows none. */
  async goOn(): Promise<void> {
    const { run, pick } = this.seen ?? {};
    const file = run?.results[pick!];
    if (!run || !file || run.task === "reconstruct" || !["picture", "svg"].includes(file.kind)) return;
    try {
      this.setFile(file.kind === "svg" ? await api.use(run.id, file.name) : fileOf(run, file));
    } catch (error) {
      return this.tell((error as Error).message);
    }
    const asked = [run.values.prompt ?? []].flat();
    if (asked.length === 1) this.forms.get("edit")?.shows(String(asked[0]));
    this.showSource();
    this.showEntry(null);
    this.check();
    announce("The result is now the source.");
  }

  async run(): Promise<void> {
    if (this.running) return this.form.fail(BUSY, null);
    this.form.fail(null, null);
    if (this.form.undecided) return this.form.fail("Choose what happened to the picture.", "operator");
    this.tell(null);
    this.form.busy(true);
    this.running = "sending";
    this.busy.begin();
    try {
      const values = await requestOf(this.form, this.source, this.brushes, this.expander);
      const { id } = await api.start(this.mode.task.name, values);
      this.busy.begin(this.sitting.expected(this.mode.key, values));
      this.begin(id, { mode: this.mode.key, source: this.source, run: null, pick: -1, edges: this.mode.key === "inpaint" ? this.stage.edges : NO_EDGES });
    } catch (error) {
      this.rest();
      this.form.fail((error as Error).message, (error as Refused).field ?? null);
    }
  }

  private begin(id: string, entry: Entry): void {
    const before = this.seen;
    this.running = id;
    this.started = entry;
    this.form.busy(true);
    this.showEntry(null);
    this.watching = true;
    toCanvas();
    this.keep();
    this.stop = follow(id, (progress) => this.progressed(progress, entry, before));
  }

  private progressed(progress: Progress, entry: Entry, before: Entry | null): void {
    this.busy.show(progress);
    if (this.watching && progress.svg) {
      this.empty.el.hidden = true;
      this.viewer.live(readDrawing(progress.svg));
    } else if (this.watching && progress.preview) this.stage.setResult(progress.preview, entry.edges, "Preview: the current estimate");
    if (!over(progress)) return;
    this.rest();
    if (progress.run) {
      entry.run = progress.run;
      entry.pick = progress.run.results.filter((each) => each.kind === "picture").length > 1 && progress.run.task !== "reconstruct" ? -1 : 0;
      this.sitting.push(entry);
      this.open(entry);
      if (entry.mode === "remove") this.brushes.reset(); // the next stroke begins a mask of its own
      toCanvas();
      announce(["Done.", ...progress.run.words].join(" "));
    } else {
      if (this.watching) this.showEntry(before);
      if (progress.state !== "canceled") this.form.fail(progress.message, progress.field);
      announce(progress.state === "canceled" ? "Canceled." : progress.message);
    }
    // a page that is left loses its connection: it takes the run up again when it comes back
    if (progress.state !== "lost") this.keep();
  }

  private rest(): void {
    this.stop?.();
    this.stop = this.running = this.started = null;
    this.busy.end();
    for (const form of this.forms.values()) form.busy(false);
  }

  async cancel(): Promise<void> {
    if (this.running) await api.cancel(this.running).catch((error: Refused) => this.tell(error.message));
  }

  /** A sentence on the canvas; null removes it. */
  tell(message: string | null): void {
    this.problem.hidden = !message;
    this.problem.replaceChildren(message ?? "", h("button", { type: "button", class: "tool", "aria-label": "Close", onclick: () => this.tell(null) }, icon("close")));
  }

  private checking: AbortController | null = null;
  private readonly check = settled(400, async () => {
    const { form, mode, source } = this;
    this.checking?.abort();
    this.checking = new AbortController();
    try {
      const image = source && source.kind !== "scene" ? source.id : null;
      const found = image || form.prompt ? await api.check(mode.task.name, image, form.prompt, this.checking.signal) : null;
      form.check(found);
    } catch {
      /* a hint that is missing stops nobody */
    }
  });

  choose = (): void => this.empty.choose();

  /** Remember this sitting, so that nothing is lost when the page is loaded anew. */
  private keep(): void {
    keepSitting({ mode: this.mode.key, entries: this.sitting.entries, at: this.sitting.at, running: this.running, started: this.started });
  }

  async takeUp(): Promise<void> {
    const kept = await keptSitting();
    if (!kept) return;
    this.sitting.entries = kept.entries;
    this.sitting.at = Math.min(kept.at, kept.entries.length - 1);
    const { current } = this.sitting;
    if (current) this.open(current);
    if (current?.run) this.form.fill(current.run.values);
    await this.changeMode(kept.mode);
    if (!kept.running || !kept.started) return;
    if (kept.started.source) this.setFile(kept.started.source);
    this.setMode(kept.started.mode);
    this.showSource();
    this.busy.begin();
    this.begin(kept.running, kept.started);
  }
}
