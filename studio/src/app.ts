/** The page: its layout, the picture that is worked on, and how a run goes. */

import { type Info, type Run, type Upload, type Values, Refused, api, fileOf, preview, urlOf } from "./api";
import { Brushes } from "./brush";
import { Busy } from "./busy";
import { announce, h, icon, settled, tool } from "./dom";
import { readDrawing } from "./drawing";
import { Empty } from "./empty";
import { Expander } from "./expand";
import { Form } from "./form";
import { type Edges, NO_EDGES } from "./geometry";
import { History } from "./history";
import { keepSitting, keptSitting } from "./kept";
import { type Mode, Tabs, type Try, modesOf } from "./modes";
import { Outcome } from "./outcome";
import { type Progress, follow, over } from "./progress";
import { requestOf } from "./request";
import { Stage } from "./stage";
import { type Entry, Sitting, Strip } from "./strip";
import { Viewer } from "./viewer";

export class App {
  readonly stage = new Stage();
  readonly brushes = new Brushes(this.stage);
  readonly expander = new Expander(this.stage);
  readonly viewer = new Viewer(this.stage);
  readonly sitting = new Sitting();
  readonly strip = new Strip(this.sitting, (entry) => this.open(entry));
  readonly outcome = new Outcome({ goOn: () => this.goOn(), useSettings: () => this.useSettings(), pick: (i) => this.pick(i) });
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

  constructor(private readonly info: Info, root: HTMLElement, header: (tabs: HTMLElement) => HTMLElement) {
    this.modes = modesOf(info);
    this.history = new History(info);
    this.history.onopen = (run) => this.openRun(run);
    this.history.onuse = (run) => void this.fillFrom(run);
    this.history.onrecipe = (file) => void this.fillFromFile(file);
    this.history.ondelete = (id) => { this.sitting.drop(id); this.strip.draw(); this.keep(); };
    this.empty = new Empty(info, (files) => void this.take(files), (example) => void this.tryExample(example));
    this.tabs = new Tabs(this.modes, (key) => this.setMode(key));
    this.panel.id = "panel";
    const change = tool("open", "Another picture", "P", () => this.empty.choose());
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
    this.brushes.adopt = () => this.goOn();
    this.setMode(this.modes[0].key);
  }

  get form(): Form {
    return this.forms.get(this.mode.key)!;
  }

  /** The picture that the present mode works on. */
  get source(): Upload | null {
    const { key } = this.mode;
    if (key === "reconstruct") return this.sources.get("scene") ?? null;
    const file = this.sources.get("flat") ?? null;
    return file?.kind === "svg" && key !== "vectorize" ? null : file;
  }

  setMode(key: string): void {
    const mode = this.modes.find((each) => each.key === key) ?? this.modes[0];
    if (mode === this.mode) return;
    this.mode = mode;
    if (!this.forms.has(mode.key)) this.forms.set(mode.key, this.makeForm(mode));
    this.tabs.show(mode.key);
    this.panel.setAttribute("aria-label", `Settings: ${mode.title}`);
    this.panel.replaceChildren(this.form.el);
    this.empty.show(mode);
    this.tell(null);
    const { current } = this.sitting;
    if (this.source !== this.shown) this.showSource();
    this.form.setSource(this.source);
    if (!this.running) {
      const same = current?.mode === mode.key && current.source?.id === this.source?.id;
      this.showRun(same ? current.run : null, current?.pick ?? -1, current?.edges);
    }
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
      if (file.kind === "svg" && this.mode.key !== "vectorize") this.setMode("vectorize");
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
    this.showRun(null, -1);
    this.sitting.push({ mode: this.mode.key, source: file, run: null, pick: -1, edges: NO_EDGES });
    this.strip.draw();
    this.keep();
    this.check();
  }

  private setFile(file: Upload | null): void {
    if (!file) return;
    const place = file.kind === "scene" ? "scene" : "flat";
    if (this.sources.get(place)?.id !== file.id) this.sources.set(place, file);
  }

  async tryExample(example: Try): Promise<void> {
    if (this.running) return;
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
    const masks = [values.mask_image ?? []].flat().map(String);
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
    if (this.running) return;
    this.setFile(entry.source);
    this.setMode(entry.mode);
    if (this.shown !== this.source) this.showSource();
    this.showRun(entry.run, entry.pick, entry.edges);
    this.strip.draw();
    this.keep();
  }

  step(by: number): void {
    if (this.sitting.step(by)) this.open(this.sitting.current!);
  }

  private showRun(run: Run | null, pick: number, edges: Edges = NO_EDGES): void {
    const { source } = this;
    this.empty.el.hidden = !!source || !!run;
    if (!source && !run && this.stage.size.width) this.stage.setSource(null);
    const size = source && `${source.width} × ${source.height} pixels`;
    this.outcome.show(run, pick, source ? `${source.name} · ${source.kind === "scene" ? "views of " : ""}${size}` : "");
    void this.viewer.show(run, pick, edges).catch((error: Error) => this.tell(error.message));
  }

  pick(index: number): void {
    const { current } = this.sitting;
    if (!current?.run) return;
    current.pick = index;
    this.showRun(current.run, index, current.edges);
    this.strip.draw();
    this.keep();
  }

  /** The result becomes the source. */
  goOn(): void {
    const { current } = this.sitting;
    const file = current?.run?.results[Math.max(current.pick, 0)];
    if (!current?.run || !file || this.running || !["picture", "svg"].includes(file.kind)) return;
    this.setFile(fileOf(current.run, file));
    this.showSource();
    this.showRun(null, -1);
    this.check();
    announce("The result is now the source.");
  }

  async run(): Promise<void> {
    if (this.running) return this.form.fail("Another run is under way: wait for it, or cancel it.", null);
    this.form.fail(null, null);
    if (this.form.undecided) return this.form.fail("Choose what happened to the picture.", "operator");
    this.tell(null);
    this.form.busy(true);
    this.busy.begin(this.running = "Sending");
    try {
      const values = await requestOf(this.form, this.source, this.brushes, this.expander);
      const { id } = await api.start(this.mode.task.name, values);
      this.begin(id, { mode: this.mode.key, source: this.source, run: null, pick: -1, edges: this.mode.key === "inpaint" ? this.stage.edges : NO_EDGES });
    } catch (error) {
      this.rest();
      this.form.fail((error as Error).message, (error as Refused).field ?? null);
    }
  }

  private begin(id: string, entry: Entry): void {
    this.running = id;
    this.form.busy(true);
    this.busy.begin("Starting");
    this.showRun(null, -1);
    if (window.matchMedia("(max-width: 820px)").matches) window.scrollTo({ top: 0, behavior: "smooth" });
    this.keep(entry);
    this.stop = follow(id, (progress) => this.progressed(progress, entry));
  }

  private progressed(progress: Progress, entry: Entry): void {
    this.busy.show(progress);
    const seen = this.mode.key === entry.mode;
    if (progress.svg) this.empty.el.hidden = true;
    if (seen && progress.svg) this.viewer.live(readDrawing(progress.svg));
    else if (seen && progress.preview) this.stage.setResult(progress.preview, entry.edges, "Preview: the current estimate");
    if (!over(progress)) return;
    this.rest();
    if (progress.run) {
      entry.run = progress.run;
      entry.pick = progress.run.results.filter((each) => each.kind === "picture").length > 1 && progress.run.task !== "reconstruct" ? -1 : 0;
      this.sitting.push(entry);
      this.open(entry);
      announce(["Done.", ...progress.run.words].join(" "));
    } else {
      this.showRun(null, -1);
      if (progress.state !== "canceled") this.form.fail(progress.message, progress.field);
      announce(progress.state === "canceled" ? "Canceled." : progress.message);
    }
    // a page that is left loses its connection: it takes the run up again when it comes back
    if (progress.state !== "lost") this.keep();
  }

  private rest(): void {
    this.stop?.();
    this.stop = this.running = null;
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
  private keep(started: Entry | null = null): void {
    keepSitting({ mode: this.mode.key, entries: this.sitting.entries, at: this.sitting.at, running: this.running, started });
  }

  async takeUp(): Promise<void> {
    const kept = await keptSitting();
    if (!kept) return;
    this.sitting.entries = kept.entries;
    this.sitting.at = Math.min(kept.at, kept.entries.length - 1);
    const { current } = this.sitting;
    if (current) this.open(current);
    else this.setMode(kept.mode);
    if (current?.run) this.form.fill(current.run.values);
    if (!kept.running || !kept.started) return;
    this.setFile(kept.started.source);
    this.setMode(kept.started.mode);
    this.showSource();
    this.begin(kept.running, kept.started);
  }
}
