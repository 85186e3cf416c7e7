/** A sitting in the browser's memory of this tab: the ids of its runs, and what it worked on. */

import { api } from "./api";
import type { Entry } from "./strip";

const NAME = "dreamsampler-sitting";

interface Sat {
  mode: string;
  entries: Entry[];
  at: number;
  /** The run under way, and what becomes of it. */
  running: string | null;
  started: Entry | null;
}

export function keepSitting(sat: Sat): void {
  const slim = (entry: Entry) => ({ ...entry, run: entry.run?.id ?? null });
  try {
    sessionStorage.setItem(NAME, JSON.stringify({ ...sat, entries: sat.entries.map(slim), started: sat.started && slim(sat.started) }));
  } catch {
    /* the sitting lasts until the page closes */
  }
}

/** What was kept, with its runs as the server has them; those that were deleted are left out. */
export async function keptSitting(): Promise<Sat | null> {
  try {
    const kept = JSON.parse(sessionStorage.getItem(NAME) ?? "null");
    if (!kept) return null;
    const found = await Promise.all(kept.entries.map(async (entry: Omit<Entry, "run"> & { run: string | null }) =>
      entry.run ? api.run(entry.run).then((run) => ({ ...entry, run }), () => null) : entry));
    return { ...kept, entries: found.filter(Boolean) };
  } catch {
    return null;
  }
}
