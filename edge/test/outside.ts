/** The world outside, for tests: whatever is fetched, but for the database on this machine. */
import { vi } from 'vitest';

const fetchReally = globalThis.fetch;

/** Takes the place of `fetch` until the test's end. */
export function stubOutside(answer: (request: Request) => Promise<Response>): void {
  vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init);
    const isOurs = new URL(request.url).hostname === '127.0.0.1';
    return isOurs ? fetchReally(request) : answer(request);
  });
}
