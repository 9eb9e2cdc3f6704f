// Numbers and moments for people.

const WORDS: Record<string, string> = { completed_with_failures: "completed with failures", input_and_output: "input and output" };

export const words = (name: string): string => WORDS[name] ?? name.replaceAll("_", " ");

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export function duration(ms: number): string {
  if (ms < 0) return "0 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = Math.floor((ms % 60_000) / 1000);
  return minutes < 60 ? `${minutes} min ${seconds} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const moment = (iso: string): string => MOMENT.format(new Date(iso));

export const millis = (iso: string | undefined): number | undefined => (iso ? Date.parse(iso) : undefined);

export const json = (value: unknown): string => JSON.stringify(value, null, 2) ?? "";

/** A value as text: a text as it is, everything else as JSON. */
export const shown = (value: unknown): string => (typeof value === "string" ? value : json(value));
