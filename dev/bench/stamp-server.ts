/**
 * A text server of the OpenAI shape whose tokens say when they were made: `<number>@<epoch ms>`.
 * On one machine every reader can tell from a token alone how long it was on its way.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface StampServer {
  readonly url: string;
  /** All that was written in the newest answer. */
  text(): string;
  close(): Promise<void>;
}

/** Writes `tokens` tokens, one every `everyMs`, to whoever asks for a chat. */
export async function startStampServer(pace: {
  readonly tokens: number;
  readonly everyMs: number;
}): Promise<StampServer> {
  let written = '';
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'stamps', object: 'model' }] }));
    } else if (request.url === '/v1/chat/completions') {
      request.resume();
      void write(response);
    } else {
      response.writeHead(404).end('not here');
    }
  });
  async function write(response: ServerResponse): Promise<void> {
    written = '';
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let number = 1; number <= pace.tokens && !response.destroyed; number += 1) {
      const content = `${number}@${now()} `;
      written += content;
      response.write(toEvent({ delta: { content }, finish_reason: null }));
      await sleep(pace.everyMs);
    }
    response.end(`${toEvent({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`);
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => written,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Milliseconds since the epoch by a clock that all processes of the machine share. */
export function now(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 10) / 10;
}

/** How long each token that `text` completes was on its way, ms. */
export function delaysIn(text: string, at: number): number[] {
  return [...text.matchAll(/\d+@([\d.]+) /g)].map(([, stamp]) => at - Number(stamp));
}

function toEvent(choice: object): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`;
}
