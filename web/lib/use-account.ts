/**
 * Whose key this is. The key lives in the memory of this tab alone: no storage, no cookie, no
 * address; a reload forgets it.
 */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { AccountView } from '#schema/api.ts';
import { readAccount } from './api.ts';
import type { Problem } from './problem.ts';

export interface Session {
  readonly key: string;
  readonly account: AccountView;
}

export interface AccountHandle {
  readonly session: Session | null;
  readonly isAsking: boolean;
  readonly problem: Problem | null;
  /** Tries a key; keeps it when the API knows it. */
  enter(key: string): void;
  /** Asks for the balance again. */
  refresh(): void;
  forget(): void;
}

export function useAccount(): AccountHandle {
  const [session, setSession] = useState<Session | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const current = useRef<AbortController | null>(null);

  useEffect(() => () => current.current?.abort(), []);

  const ask = useCallback(async (key: string) => {
    current.current?.abort();
    const stop = new AbortController();
    current.current = stop;
    setAsking(true);
    try {
      const answer = await readAccount(key, stop.signal);
      if (answer.ok) setSession({ key, account: answer.value });
      setProblem(answer.ok ? null : answer.problem);
      setAsking(false);
    } catch {
      // Aborted: a newer question is on its way, or the page is gone.
    }
  }, []);

  const key = session?.key ?? null;
  return {
    session,
    isAsking,
    problem,
    enter: useCallback((entered: string) => void ask(entered), [ask]),
    refresh: useCallback(() => {
      if (key !== null) void ask(key);
    }, [ask, key]),
    forget: useCallback(() => {
      current.current?.abort();
      setSession(null);
      setProblem(null);
      setAsking(false);
    }, []),
  };
}
