/** Words that a prompt may be made of. */

/** Whole prompts while nothing is typed; then words that go on what is typed, then others with it. */
export function suggestions(typed: string, prompts: string[], words: string[]): string[] {
  const text = typed.trim().toLowerCase();
  const last = /\s$/.test(typed) ? "" : (text.split(/\s+/).at(-1) ?? "");
  const used = text.split(/\s+/);
  const whole = [...new Set(prompts)].filter((each) => each !== text && (!text || each.startsWith(text)));
  const begins = last ? words.filter((each) => each.startsWith(last) && !used.includes(each)) : [];
  return [...new Set([...whole, ...begins, ...(text ? [] : words)])];
}

/** The text after a suggestion was taken: it completes the last word, or is added. */
export function completed(typed: string, taken: string): string {
  const text = typed.trimEnd();
  if (taken.startsWith(text.toLowerCase())) return taken;
  const parts = text.split(/\s+/);
  const last = parts.at(-1)!.toLowerCase();
  if (typed === text && taken.startsWith(last)) return [...parts.slice(0, -1), taken].join(" ");
  return `${text} ${taken}`;
}
