/** Downloads over real HTTP on loopback, from a server that does as a test says. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockData } from '../../data-lock.ts';
import { freePort } from '../../doubles/group.ts';
import { fetchModel } from '../../operator/model.ts';
import { download, NoRoom, WrongFile } from './download.ts';
import type { Download } from './download.ts';

const GIB = 1024 ** 3;
const FILE = Buffer.from(`GGUF ${'x'.repeat(200_000)}`);
const SHA256 = createHash('sha256').update(FILE).digest('hex');

let server: Server;
let asked: IncomingMessage[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let folder: string;
let path: string;
let url: URL;

/** As servers of files do: the whole, or what follows. */
function serve({ headers }: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
  const range = { 'content-range': `bytes ${from}-${FILE.length - 1}/${FILE.length}` };
  if (from >= FILE.length) response.writeHead(416).end();
  else {
    const length = { 'content-length': FILE.length - from };
    response.writeHead(headers.range ? 206 : 200, { ...length, ...(headers.range && range) });
    response.end(FILE.subarray(from));
  }
}

beforeEach(async () => {
  [asked, answer] = [[], serve];
  folder = await mkdtemp(join(tmpdir(), 'download-'));
  path = join(folder, 'models', 'm.gguf');
  server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`);
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

function get(changes: Partial<Download> = {}): Promise<void> {
  const { signal } = new AbortController();
  return download({ url, sha256: SHA256, path, signal, onProgress: () => {}, ...changes });
}
const free = (bytes: number) => () => Promise.resolve(bytes);
const leave = async (bytes: Buffer) => {
  await get({ sha256: '0'.repeat(64) }).catch(() => undefined);
  asked = [];
  await writeFile(`${path}.part`, bytes);
};

it('is refused before a byte is written when the disk has no room for it, with what to do', async () => {
  const got = get({ freeBytes: free(GIB + FILE.length - 1) });
  await expect(got).rejects.toThrow(NoRoom);
  await expect(got).rejects.toThrow(/1\.0 GiB free.*make room, or set TESSERA_DATA/);
  expect(await readdir(join(folder, 'models'))).toEqual([]);
  await get({ freeBytes: free(GIB + FILE.length) });
  expect((await readFile(path)).equals(FILE)).toBe(true);
});

it('needs room only for what is missing of it', async () => {
  await leave(FILE.subarray(0, 150_000));
  await get({ freeBytes: free(GIB + FILE.length - 150_000) });
  expect(asked.map(({ headers }) => headers.range)).toEqual(['bytes=150000-']);
});

it('is refused when it is larger than any model here may be', async () => {
  answer = (_, response) => response.writeHead(200, { 'content-length': 65 * GIB }).write('GGUF');
  const got = get({ freeBytes: free(1000 * GIB) });
  await expect(got).rejects.toThrow(WrongFile);
  await expect(got).rejects.toThrow('more than 64 GiB');
});

it('ends where the room ends, from a server that does not say how long it is', async () => {
  answer = (_, response) => {
    const more = () => response.destroyed || response.write(FILE, more);
    more();
  };
  await expect(get({ freeBytes: free(GIB + 1_000_000) })).rejects.toThrow(NoRoom);
  expect((await stat(`${path}.part`)).size).toBeLessThanOrEqual(1_000_000);
});

it.each([
  ['damaged', Buffer.alloc(150_000, 'y')],
  ['longer than the file', Buffer.alloc(300_000, 'y')],
  ['as long as the file', Buffer.alloc(FILE.length, 'y')],
])('begins anew when what an earlier one left is %s', async (_, left) => {
  await leave(left);
  await get();
  expect((await readFile(path)).equals(FILE)).toBe(true);
  expect(asked.map(({ headers }) => headers.range)).toEqual([`bytes=${left.length}-`, undefined]);
});

it('takes the whole from a server that cannot go on', async () => {
  await leave(FILE.subarray(0, 1000));
  answer = (_, response) => response.end(FILE);
  await get();
  expect((await readFile(path)).equals(FILE)).toBe(true);
});

it('says by its host why it could not be had', async () => {
  answer = (_, response) => response.writeHead(401).end();
  await expect(get()).rejects.toThrow(`${url.host}: HTTP 401: correct TESSERA_LLAMA_MODEL`);
  const nobody = new URL(`http://127.0.0.1:${await freePort()}/m.gguf`);
  await expect(get({ url: nobody })).rejects.toThrow(`${nobody.host}: connect ECONNREFUSED`);
});

it('is left to the agent that runs', async () => {
  const printed: string[] = [];
  const source = { url, sha256: SHA256 };
  const llama = { path, source, home: null, threads: null, contextTokensMax: 512 };
  const parts = { draw: null, signal: new AbortController().signal };
  const print = (line: string) => void printed.push(line);
  const lock = await lockData(folder);
  expect(await fetchModel({ servers: { llama }, data: folder }, { ...parts, print })).toBe(1);
  expect(printed[0]).toContain(`process ${process.pid}`);
  expect(asked).toEqual([]);
  if (lock.ok) await lock.release();
  expect(await fetchModel({ servers: { llama }, data: folder }, { ...parts, print })).toBe(0);
});
