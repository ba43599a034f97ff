/** What a text server's double generates, and what goes wrong on the way. */
import type { ServerResponse } from 'node:http';
import type { TextSpec } from '#schema/job.ts';
import type { Asked } from './http-double.ts';

export interface Script {
  /** Pieces in the order of their events. */
  pieces: readonly string[];
  finish: string;
  /** Goes wrong before this piece: by default after the last one. */
  at: number;
  trouble: 'none' | 'stall' | 'close' | 'garbage' | 'error' | 'no_finish';
}

/** What is asked for, and what a server that does nothing wrong answers. */
export const TALE_SPEC: TextSpec = {
  type: 'text',
  model: 'chat',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Tell a tale.' },
  ],
  prompt: null,
  max_tokens: 40,
  temperature: 0.5,
  top_p: 0.9,
  stop: [],
  seed: 4_000_000_000,
};
export const TALE = 'Once upon a time there was a cat.';

export function newScript(): Script {
  const pieces = ['Once', ' upon', ' a', ' time', ' there', ' was', ' a', ' cat', '.'];
  return { pieces, finish: 'stop', at: Infinity, trouble: 'none' };
}

/** How a server frames its events. */
export interface Frame {
  readonly piece: (text: string) => string;
  readonly finish: (reason: string) => string;
  /** After the finish. */
  readonly tail: string;
  readonly error: string;
}

/** Writes the stream; ends when it is written or the client is gone. Answers how much was sent. */
export async function play(
  script: Script,
  frame: Frame,
  { asked, response }: { readonly asked: Asked; readonly response: ServerResponse },
): Promise<number> {
  let open = true;
  void asked.closed.then(() => {
    open = false;
  });
  if (!response.headersSent) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
  }
  response.write(': a comment, as servers send to keep a connection open\n\n');
  for (const [index, piece] of script.pieces.entries()) {
    if (index === script.at && script.trouble !== 'none') return misbehave(script, frame, response);
    // Cut in the middle, so that a chunk is never an event by chance.
    const bytes = Buffer.from(frame.piece(piece));
    const middle = Math.floor(bytes.length / 2);
    for (const half of [bytes.subarray(0, middle), bytes.subarray(middle)]) {
      if (!open) return index;
      response.write(half);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (script.trouble !== 'none') return misbehave(script, frame, response);
  response.end(frame.finish(script.finish) + frame.tail);
  return script.pieces.length;
}

function misbehave(script: Script, frame: Frame, response: ServerResponse): number {
  switch (script.trouble) {
    case 'none':
    case 'no_finish':
      response.end(frame.tail);
      break;
    case 'close':
      response.destroy();
      break;
    case 'garbage':
      response.write('data: <html>502</html>\n\n');
      break;
    case 'error':
      response.end(frame.error);
      break;
    case 'stall':
      break;
  }
  return Math.min(script.at, script.pieces.length);
}
