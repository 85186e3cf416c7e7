import { expect, test } from "vitest";
import { damagesOf, exampleOf, inWords as damageInWords, operatorOf } from "../src/degrade";
import { movePoint, readPath, writePath } from "../src/drawing";
import { nameOf, readNumber } from "../src/fields";
import { nameOfKey } from "../src/keys";
import { labelOf } from "../src/outcome";
import { WAITING, advance, duration, inWords, over } from "../src/progress";
import { Sitting } from "../src/strip";
import { methodName, modelName, plainly, suggestions } from "../src/words";
import type { Field, ResultFile, Run } from "../src/api";

test("events of a run become its progress, and a preview stays until the next", () => {
  let progress = advance(WAITING, "queued", { position: 2 });
  expect(inWords(progress)).toBe("Waiting: 2 runs before this one");
  progress = advance(progress, "step", { step: 3, total: 12, seconds_left: 8.2, stage: "step", preview: "data:a", svg: null });
  expect(inWords(progress)).toBe("Step 3 of 12 · 8 s left");
  progress = advance(progress, "step", { step: 4, total: 12, stage: "step", preview: null });
  expect(progress.preview).toBe("data:a");
  expect(over(progress)).toBe(false);
  expect(advance(progress, "done", { run: { id: "r" } }).run?.id).toBe("r");
  const failed = advance(progress, "failed", { message: "no", field: "prompt" });
  expect([over(failed), failed.message, failed.field]).toEqual([true, "no", "prompt"]);
  expect(advance(progress, "canceled", {}).state).toBe("canceled");
});

test("times in words", () => {
  expect([0, 8.4, 89, 240].map(duration)).toEqual(["1 s", "8 s", "89 s", "4 min"]);
});

test("empty numbers are automatic, decimal commas are read, words stay", () => {
  expect(["", " 0.5 ", "0,5", "auto", "12"].map(readNumber)).toEqual([null, 0.5, 0.5, "auto", 12]);
});

test("prompts are called after what they say", () => {
  const field = { name: "prompt", label: "Prompt", help: "what the picture shows; of an SVG file, what it should show" } as Field;
  expect(nameOf(field)).toBe("What the picture shows");
  expect(nameOf({ ...field, name: "gamma", label: "Gamma" })).toBe("Gamma");
});

test("damages make an operator, and are read from it again", () => {
  const chosen = { jpeg: { quality: 20 }, blur: { sigma: "?" as const }, downsample: { factor: 4 } };
  expect(operatorOf(chosen)).toBe("blur(sigma=?) | downsample(factor=4) | jpeg(quality=20)");
  expect(damagesOf(operatorOf(chosen))).toEqual(chosen);
  expect(damagesOf("blur(3)")).toEqual({ blur: { sigma: 3 } });
  expect(damagesOf("motion_blur(9)")).toEqual({ motion_blur: { length: 9, angle: 0 } });
  expect(operatorOf({ noise: { sigma: 5 } })).toBe("none");
  expect(operatorOf({ mask: {} })).toBe("mask(scratches.png)");
  expect(damagesOf("mask(mask-scratches.png) | grey")).toEqual({ mask: {}, grey: {} });
});

test("what was found out is said in words", () => {
  const said = "Found out what happened: Blurred, how wide, in pixels: 2.5; JPEG, quality it was saved with: 31.";
  expect(damageInWords("Found out what happened: blur(sigma=2.516) | jpeg(quality=31).")).toBe(said);
  for (const other of ["Found out what happened: kernel(a.png).", "Explains the input within its noise."]) expect(damageInWords(other)).toBe(other);
});

test("what is found out is shown at a usual strength, without scratches", () => {
  expect(exampleOf({ blur: { sigma: "?" }, noise: { sigma: "?" } })).toEqual({ operator: "blur(sigma=3)", noise: 0.05, found: true });
  expect(exampleOf({ blur: { sigma: 1 }, mask: {} })).toEqual({ operator: "blur(sigma=1)", noise: 0, found: false });
  expect(exampleOf({})).toEqual({ operator: "none", noise: 0, found: false });
});

test("operators that the sliders cannot say are left to the text", () => {
  for (const text of ["kernel(a.png)", "blur(3) | blur(2)", "blur(sigma=wide)", "blur(3, zero, 4)", "mask(a.png)"]) {
    expect(damagesOf(text)).toBeNull();
  }
});

test("a path is read and written; unknown commands are not guessed", () => {
  const d = "M0 0C1 0 2 0 3 0C4 0 4 1 4 2Z";
  expect(writePath(readPath(d)!)).toBe(d);
  expect(readPath("M0,0 10,0 10-5Z")!.map(({ letter }) => letter)).toEqual(["M", "L", "L", "Z"]);
  expect(readPath("M1e-3 .5L-.25 2")![0].numbers).toEqual([0.001, 0.5]);
  for (const bad of ["M0 0A1 1 0 0 0 2 2", "m0 0l1 1", "M0 0C1 1"]) expect(readPath(bad)).toBeNull();
});

test("a point takes its two handles along, also across the seam of a closed path", () => {
  const path = readPath("M0 0C1 0 2 0 3 0C4 0 1 1 0 0Z")!;
  movePoint(path, 0, 10, 5);
  expect(writePath(path)).toBe("M10 5C11 5 2 0 3 0C4 0 11 6 10 5Z");
  movePoint(path, 1, 0, 1);
  expect(writePath(path)).toBe("M10 5C11 5 2 1 3 1C4 1 11 6 10 5Z");
});

test("keys have one name", () => {
  const key = (text: string, held: object = {}) => nameOfKey({ key: text, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });
  expect(key("G")).toBe("g");
  expect(key("Z", { ctrlKey: true, shiftKey: true })).toBe("Control+Shift+z");
  expect(key("z", { metaKey: true })).toBe("Control+z");
  expect(key("?", { shiftKey: true })).toBe("?");
  expect(key("{", { shiftKey: true })).toBe("{");
  expect(key("1", { altKey: true })).toBe("Alt+1");
});

test("suggestions are whole prompts: those that go on what is typed, and others where one is there", () => {
  const prompts = ["dog face", "cat face", "smiling face with heart-eyes", "cat"];
  expect(suggestions(" ", prompts)).toEqual(prompts);
  expect(suggestions("", ["heart-eyes", "cat", "heart eyes"])).toEqual(["heart-eyes", "cat"]);
  expect(suggestions("ca", prompts)).toEqual(["cat face", "cat"]);
  expect(suggestions("face eye", prompts)).toEqual(["smiling face with heart-eyes"]);
  expect(suggestions("cat face", prompts)).toEqual(["dog face", "smiling face with heart-eyes", "cat"]);
  expect(suggestions("a cat on a blue background", prompts)).toEqual([]);
});

test("models and methods have plain names", () => {
  expect(modelName("iconic · cpu · float32", false)).toBe("Drawings (built in)");
  expect(modelName("iconic and photo · cpu", true)).toBe("Drawings and photographs (built in)");
  expect(modelName("sd15 · cuda", false)).toBe("sd15");
  const note = "iconic was not trained on 'zebra', so expect little of that; `dreamsampler models --describe iconic` lists its words";
  expect(plainly(note)).toBe("The model of drawings was not trained on 'zebra', so expect little of that");
  expect([{ value: "default", title: "DreamSampler" }, { value: "instruct", title: "instruction" }].map(methodName)).toEqual(["Automatic", "Instruction"]);
});

test("the time of a run is told by the last one of its mode, until its steps tell it", () => {
  const sitting = new Sitting();
  const edges = { left: 0, top: 0, right: 0, bottom: 0 };
  const made = (mode: string, seconds: number, values = {}) => sitting.push({ mode, source: null, run: { seconds, values } as Run, pick: 0, edges });
  expect(sitting.expected("edit", {})).toBeNull();
  made("edit", 3);
  made("edit", 8, { num_images: 2 });
  made("restore", 99);
  sitting.push({ mode: "edit", source: null, run: null, pick: -1, edges });
  expect([sitting.expected("edit", {}), sitting.expected("edit", { num_images: 4 })]).toEqual([4, 16]);
  const first = advance(WAITING, "step", { step: 0, total: 12, stage: "first step" });
  expect(inWords(first, 3.2, 10)).toBe("First step · about 7 s left");
  expect(inWords(first, 12, 10)).toBe("First step · 12 s so far");
  expect(inWords(WAITING, 0.2)).toBe("Starting");
  expect(inWords(advance(first, "step", { step: 3, total: 12, stage: "step", seconds_left: 5 }), 3, 10)).toBe("Step 3 of 12 · 5 s left");
});

test("stepping back in a sitting loses nothing", () => {
  const sitting = new Sitting();
  const entry = (id: string) => ({ mode: "edit", source: null, run: { id } as Run, pick: 0, edges: { left: 0, top: 0, right: 0, bottom: 0 } });
  for (const id of ["a", "b"]) sitting.push(entry(id));
  expect(sitting.step(-1)?.run?.id).toBe("a");
  expect(sitting.step(-1)).toBeNull();
  sitting.push(entry("c"));
  expect(sitting.entries.map((each) => each.run?.id)).toEqual(["a", "b", "c"]);
  sitting.drop("b");
  expect([sitting.entries.length, sitting.current?.run?.id]).toEqual([2, "c"]);
});

test("results have names for people", () => {
  const file = (label: string) => ({ name: "x.png", kind: "picture", label }) as ResultFile;
  expect([labelOf(file("0"), 0), labelOf(file(""), 1), labelOf(file("spread"), 2)]).toEqual(["Variant 1", "Variant 2", "Spread"]);
});
