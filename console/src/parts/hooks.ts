import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { failureOf, isAbort, type Failure } from "../service/client.ts";

export interface Loaded<T> {
  data: T | undefined;
  failure: Failure | undefined;
  reload: () => void;
}

/** What `read` gives, read again whenever `key` changes. What was there before stays until then, unless it belongs to another key. */
export function useLoad<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; failure?: Failure }>({ key });
  const [turn, setTurn] = useState(0);
  const reader = useRef(read);
  reader.current = read;
  useEffect(() => {
    const abort = new AbortController();
    reader.current(abort.signal).then(
      (data) => abort.signal.aborted || setState({ key, data }),
      (error: unknown) => {
        if (abort.signal.aborted || isAbort(error)) return;
        setState((before) => ({ ...(before.key === key ? before : { key }), failure: failureOf(error) }));
      });
    return () => abort.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const isCurrent = state.key === key;
  return { data: isCurrent ? state.data : undefined, failure: isCurrent ? state.failure : undefined, reload };
}

/** Calls `tick` every `ms` milliseconds while the page is visible; not at all with 0. */
export function useInterval(ms: number, tick: () => void): void {
  const last = useRef(tick);
  last.current = tick;
  useEffect(() => {
    if (!ms) return undefined;
    const timer = setInterval(() => document.hidden || last.current(), ms);
    return () => clearInterval(timer);
  }, [ms]);
}

/** The present time, which moves on while `moves`. */
export function useNow(moves: boolean): number {
  const [now, setNow] = useState(Date.now);
  useInterval(moves ? 500 : 0, () => setNow(Date.now()));
  return now;
}
