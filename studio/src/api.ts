/** The HTTP interface, as /api/openapi.json describes it. */

export type Value = string | number | boolean | null | Value[];
export type Values = Record<string, Value>;

export interface Field {
  name: string;
  label: string;
  help: string;
  kind: string;
  default: Value;
  choices: Choice[] | null;
  minimum: number | null;
  maximum: number | null;
  step: number | null;
  optional: boolean;
  /** The methods that have it; null where it does not depend on the method. */
  methods?: string[] | null;
}

export interface Choice {
  value: string | number;
  text: string;
  /** Of a method: what it takes where a number is left empty. */
  settings?: Values;
  /** Of a method: its name in papers. */
  title?: string;
  /** Of a method: whether what it gives depends on the seed. */
  draws?: boolean;
}

export interface Example {
  label: string;
  picture: string | null;
  values: Values;
  degraded: [string, number] | null;
  hole: [number, number, number, number] | null;
}

export interface Task {
  name: string;
  title: string;
  hint: string;
  verb: string;
  fields: Field[];
  examples: Example[];
}

export interface Info {
  version: string;
  title: string;
  card: string;
  /** What the bundled model can draw; none of other models. */
  concepts: string[];
  limits: { bytes: number; pixels: number; queue: number };
  user: string | null;
  keeps: boolean;
  photo: boolean;
  tasks: Task[];
}

export interface Upload {
  id: string;
  name: string;
  kind: "picture" | "svg" | "scene";
  width: number;
  height: number;
  url: string;
}

export interface ResultFile {
  name: string;
  label?: string;
  kind: "picture" | "svg" | "mesh" | "video" | "file";
  url: string;
  download: string;
  width: number | null;
  height: number | null;
  seed: number | null;
}

/** What fills a form. */
export interface Filled {
  task: string;
  values: Values;
  files: Record<string, Upload>;
}

export interface Run {
  id: string;
  task: string;
  title: string;
  created: string | number;
  thumb: string;
  before: string | null;
  results: ResultFile[];
  values: Values;
  words: string[];
  notes?: string[];
  numbers: { name: string; value: Value }[];
  recipe: string;
  seconds: number;
}

export interface Check {
  picture: string | null;
  words: { word: string; near: string[] }[];
}

/** What the server refused, in a sentence, and the field that caused it. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly field: string | null = null,
    readonly status = 0,
  ) {
    super(message);
  }
}

async function ask(path: string, init?: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Refused("The studio does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  const detail = body?.detail;
  const text = typeof detail === "string" ? detail : detail?.message;
  throw new Refused(text ?? `The studio answered with status ${answer.status}.`, detail?.field ?? null, answer.status);
}

function json(body: unknown, signal?: AbortSignal): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
}

const got = async <T>(path: string, init?: RequestInit): Promise<T> => (await ask(path, init)).json();

export const api = {
  info: () => got<Info>("/api/info"),
  upload(files: File[]): Promise<Upload> {
    const form = new FormData();
    for (const file of files) form.append("file", file, file.webkitRelativePath || file.name);
    return got<Upload>("/api/files", { method: "POST", body: form });
  },
  example: (task: string, label: string) => got<Filled>("/api/examples", json({ task, label })),
  check: (task: string, image: string | null, prompt: string | null, signal: AbortSignal) =>
    got<Check>("/api/check", json({ task, image, prompt }, signal)),
  degrade: async (image: string, operator: string, noise: number, preview: boolean, signal?: AbortSignal) =>
    (await ask("/api/degrade", json({ image, operator, noise, preview }, signal))).blob(),
  start: (task: string, values: Values) => got<{ id: string }>("/api/runs", json({ task, values })),
  cancel: (id: string) => ask(`/api/runs/${id}/cancel`, { method: "POST" }),
  runs: (words: string, most: number) =>
    got<Run[]>(`/api/runs?words=${encodeURIComponent(words)}&most=${most}`),
  run: (id: string) => got<Run>(`/api/runs/${id}`),
  remove: (id: string) => ask(`/api/runs/${id}`, { method: "DELETE" }),
  /** A result as a file, whose size the server knows. */
  use: (id: string, name: string) => got<Upload>(`/api/runs/${id}/use`, json({ name })),
  recipe(file: File): Promise<Filled> {
    const form = new FormData();
    form.append("file", file, file.name);
    return got<Filled>("/api/recipe", { method: "POST", body: form });
  },
  /** A file by its id alone, as the values of a run have it. */
  async file(id: string): Promise<Upload> {
    const url = urlOf(id);
    const name = id.split("/").at(-1)!;
    if (id.includes("~inputs/scene")) return { id, name: "scene", kind: "scene", url, ...(await sizeOf(`${url}?preview=1`)) };
    const kind = name.endsWith(".svg") ? "svg" : "picture";
    const shown = `${url}?preview=1`; // a drawing has no size of its own in a browser
    return { id, name, kind, url, ...(await (kind === "svg" ? sizeOf(shown) : sizeOf(url).catch(() => sizeOf(shown)))) };
  },
  text: async (url: string) => (await ask(url)).text(),
  blob: async (url: string) => (await ask(url)).blob(),
};

/** A result as a file that a run may take. */
export function fileOf(run: Run, { name, width, height }: ResultFile): Upload {
  const id = `${run.id}~${name}`;
  return { id, name, kind: "picture", width: width ?? 512, height: height ?? 512, url: urlOf(id) };
}

export const urlOf = (id: string): string => `/api/files/${encodeURI(id)}`;

async function sizeOf(url: string): Promise<{ width: number; height: number }> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** A picture that every browser shows, for formats such as HEIC and TIFF. */
export const preview = (file: Upload): string => (file.kind === "svg" ? file.url : `${file.url}?preview=1`);
