/** Asks for an API key and says, before it is typed, what becomes of it. */
import { useId, useState } from 'react';
import type { FormEvent } from 'react';
import { ApiKey } from '#schema/id.ts';
import type { AccountHandle } from '../lib/use-account.ts';
import { describeProblem } from '../lib/problem.ts';
import { Button } from './button.tsx';
import { ProblemNote } from './problem-note.tsx';

export function KeyForm({ handle }: { handle: AccountHandle }) {
  const id = useId();
  const [key, setKey] = useState('');
  const [isMalformed, setMalformed] = useState(false);

  function enter(event: FormEvent) {
    event.preventDefault();
    const trimmed = key.trim();
    const looksRight = ApiKey.safeParse(trimmed).success;
    setMalformed(!looksRight);
    if (looksRight) handle.enter(trimmed);
  }

  return (
    <form onSubmit={enter} className="max-w-2xl" noValidate>
      <label htmlFor={id} className="field-label">
        API key
      </label>
      <div className="flex flex-col gap-3 sm:flex-row sm:items-end">
        <input
          id={id}
          type="password"
          className="field font-mono"
          value={key}
          onChange={(event) => setKey(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          placeholder="tsr_…"
          aria-describedby={`${id}-hint`}
          aria-invalid={isMalformed || handle.problem !== null}
        />
        <Button type="submit" className="shrink-0" disabled={handle.isAsking}>
          {handle.isAsking ? 'Checking…' : 'Use this key'}
        </Button>
      </div>
      <p id={`${id}-hint`} className="field-hint mt-2">
        The key stays in the memory of this tab. It is sent to this service only, never stored, and
        gone when you reload or close the page. Keys work from the Starter plan on; for now the
        operator hands them out.
      </p>
      <div className="mt-4 empty:hidden">
        {isMalformed ? (
          <ProblemNote
            text={{
              sentence: 'This does not look like an API key.',
              advice: 'A key begins with tsr_ and is 74 characters long; paste the whole of it.',
              code: 'malformed_key',
              requestId: null,
            }}
          />
        ) : null}
        {!isMalformed && handle.problem ? (
          <ProblemNote text={describeProblem(handle.problem)} />
        ) : null}
      </div>
    </form>
  );
}
