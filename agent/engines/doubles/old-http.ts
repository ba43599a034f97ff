/**
 * KoboldCPP's own HTTP in front of its double: the status line of HTTP/1.0, a connection that is
 * closed after each answer, and a packed page of a whole user interface where others have a word:
 * its reader is still unpacking when the connection ends.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';

/** As large as the real one, and as hard to pack. */
const NOISE = Array.from({ length: 20_000 }, (_, line) =>
  createHash('sha512').update(String(line)).digest('base64'),
);
const PAGE = gzipSync(`<title>KoboldAI Lite</title>${NOISE.join('\n')}`);
const HEAD_END = '\r\n\r\n';

export class OldHttp {
  readonly #behind: URL;
  readonly #server: Server;

  constructor(behind: URL) {
    this.#behind = behind;
    this.#server = createServer((socket) => {
      socket.on('error', () => {});
      this.#serve(socket).catch(() => socket.destroy());
    });
  }

  async start(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(socket: Socket): Promise<void> {
    let read = '';
    let head: RegExpExecArray | null = null;
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      read += String(chunk);
      head = /^(\w+) (\S+) HTTP/.exec(read);
      const bytes = Number(/content-length: (\d+)/i.exec(read)?.[1] ?? 0);
      const at = read.indexOf(HEAD_END);
      if (at >= 0 && read.length >= at + HEAD_END.length + bytes) break;
    }
    const [, method, path] = head!;
    const send = (status: number, bytes: Buffer, more = '') => {
      const length = `content-length: ${bytes.length}`;
      socket.write(`HTTP/1.0 ${status} Any\r\n${more}${length}${HEAD_END}`);
      socket.end(bytes);
    };
    if (path === '/') {
      send(200, PAGE, 'content-encoding: gzip\r\n');
      return;
    }
    const body = read.slice(read.indexOf(HEAD_END) + HEAD_END.length);
    const headers = body === '' ? {} : { 'content-type': 'application/json' };
    const asking = request(new URL(path!, this.#behind), { method, headers, agent: false });
    asking.end(body);
    const [answer] = (await once(asking, 'response')) as [
      AsyncIterable<Buffer> & { statusCode: number },
    ];
    const parts: Buffer[] = [];
    for await (const part of answer) parts.push(part);
    send(answer.statusCode, Buffer.concat(parts));
  }
}
