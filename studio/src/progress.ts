/** A run under way: what its events say, and how the page follows them. */

import type { Run } from "./api";

export interface Progress {
  state: "queued" | "running" | "done" | "failed" | "canceled" | "lost";
  position: number;
  step: number;
  total: number;
  secondsLeft: number | null;
  stage: string;
  preview: string | null;
  svg: string | null;
  message: string;
  field: string | null;
  run: Run | null;
}

export const WAITING: Progress = {
  state: "queued", position: 0, step: 0, total: 0, secondsLeft: null, stage: "",
  preview: null, svg: null, message: "", field: null, run: null,
};
const NAMES = ["queued", "step", "done", "failed", "canceled"] as const;
export type EventName = (typeof NAMES)[number];

/** The progress after an event; previews stay until a newer one comes. */
export function advance(before: Progress, name: EventName, data: Record<string, any>): Progress {
  switch (name) {
    case "queued":
      return { ...before, state: "queued", position: data.position ?? 0 };
    case "step":
      return {
        ...before,
        state: "running",
        step: data.step ?? 0,
        total: data.total ?? 0,
        secondsLeft: data.seconds_left ?? null,
        stage: data.stage ?? "",
        preview: data.preview ?? before.preview,
        svg: data.svg ?? before.svg,
      };
    case "done":
      return { ...before, state: "done", run: data.run as Run };
    case "failed":
      return { ...before, state: "failed", message: data.message ?? "It failed.", field: data.field ?? null };
    case "canceled":
      return { ...before, state: "canceled" };
  }
}

export const over = (progress: Progress): boolean => !["queued", "running"].includes(progress.state);

/** One line on how far it is: the time left, by an earlier run where the steps do not say it yet. */
export function inWords(progress: Progress, elapsed = 0, expected: number | null = null): string {
  if (progress.state === "queued" && progress.position) {
    const ahead = progress.position === 1 ? "one run" : `${progress.position} runs`;
    return `Waiting: ${ahead} before this one`;
  }
  const count = progress.total && progress.step ? ` ${progress.step} of ${progress.total}` : "";
  const rest = expected !== null && expected > elapsed ? `about ${duration(expected - elapsed)} left` : elapsed >= 1 ? `${duration(elapsed)} so far` : "";
  const left = progress.secondsLeft !== null ? `${duration(progress.secondsLeft)} left` : rest;
  const stage = progress.stage || "Starting";
  return stage[0].toUpperCase() + stage.slice(1) + count + (left && ` · ${left}`);
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(Math.round(seconds), 1)} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** Follow a run until it is over; a broken connection is taken up again by the browser. */
export function follow(id: string, tell: (progress: Progress) => void): () => void {
  let progress = WAITING;
  let failures = 0;
  const source = new EventSource(`/api/runs/${id}/events`);
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      failures = 0;
      progress = advance(progress, name, JSON.parse((event as MessageEvent).data));
      if (over(progress)) source.close();
      tell(progress);
    });
  }
  source.onerror = () => {
    failures += 1;
    if (source.readyState !== EventSource.CLOSED && failures < 5) return;
    source.close();
    tell({ ...progress, state: "lost", message: "The connection to the studio was lost. Is it still running?" });
  };
  return () => source.close();
}
