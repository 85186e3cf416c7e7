/** What stands in a prompt, and what things are called for people. */

import type { Choice } from "./api";

/** Whole prompts: those that go on what is typed; all of them where that is one of them, or nothing. */
export function suggestions(typed: string, prompts: string[]): string[] {
  const text = typed.trim().toLowerCase();
  const same = (a: string, b: string) => a.replaceAll("-", " ") === b.replaceAll("-", " ");
  const others = prompts.filter((each, i) => each !== text && prompts.findIndex((other) => same(each, other)) === i);
  if (!text || prompts.includes(text)) return others;
  const begins = (each: string, word: string) => each.split(/[\s-]/).some((part) => part.startsWith(word));
  return others.filter((each) => text.split(/\s+/).every((word) => begins(each, word)));
}

const BUILT_IN: Record<string, string> = { iconic: "Drawings (built in)", photo: "Photographs (built in)" };

/** The model of a title such as "iconic · cpu"; with photographs where both are there. */
export function modelName(title: string, photo: boolean): string {
  const name = title.split(" · ")[0];
  return photo ? "Drawings and photographs (built in)" : (BUILT_IN[name] ?? name);
}

/** A sentence of the library, without what is for its command line. */
export function plainly(text: string): string {
  const plain = text.replace(/[;,] `dreamsampler [^`]*`[^;.]*/g, "").replace(/\biconic\b/g, "the model of drawings").replace(/the model photo\b/g, "the built-in model of photographs");
  return plain[0].toUpperCase() + plain.slice(1);
}

/** A method as people call it. */
export const methodName = ({ value, title = String(value) }: Pick<Choice, "value" | "title">): string =>
  value === "default" ? "Automatic" : title[0].toUpperCase() + title.slice(1);
