/** The price of the job in the form, by a dry run, once typing pauses. */
import { useEffect, useState } from 'react';
import type { QuoteView } from '#schema/api.ts';
import type { JobRequest } from '#schema/job.ts';
import { quoteJob } from './api.ts';
import type { Answer } from './client.ts';

const PAUSE_MS = 450;

export type Quote =
  | { readonly state: 'none' }
  | { readonly state: 'asking'; readonly last: QuoteView | null }
  | { readonly state: 'answered'; readonly answer: Answer<QuoteView> };

/** `null` asks for nothing: the form is not complete. A new `balance` asks again for the same. */
export function useQuote(key: string, request: JobRequest | null, balance: number): Quote {
  const [last, setLast] = useState<{ question: string; answer: Answer<QuoteView> } | null>(null);
  const body = request ? JSON.stringify(request) : null;
  const question = `${balance} ${body}`;
  useEffect(() => {
    if (body === null) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      quoteJob(key, JSON.parse(body) as JobRequest, stop.signal).then(
        (answer) => setLast({ question, answer }),
        () => undefined,
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, body, question]);
  if (body === null) return { state: 'none' };
  if (last?.question === question) return { state: 'answered', answer: last.answer };
  return { state: 'asking', last: last?.answer.ok ? last.answer.value : null };
}

/** The newest known quote, even while a newer one is asked for. */
export function quoteOf(quote: Quote): QuoteView | null {
  switch (quote.state) {
    case 'none':
      return null;
    case 'asking':
      return quote.last;
    case 'answered':
      return quote.answer.ok ? quote.answer.value : null;
  }
}
