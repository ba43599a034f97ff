/** A peer behind its HTTP server (peer-server.ts), as a contender's service. */
import { join } from 'node:path';
import { Part } from '../part.ts';
import { findFreePort } from '../port.ts';
import { quiet } from '../progress.ts';
import { REQUEST } from './contender.ts';
import { HttpContender, type Wire } from './http-contender.ts';
import { durabilityOf, type PeerName, type PeerPlace } from './peer.ts';
import type { PeerOrder } from './peer-server.ts';

/** A job as an agent of a peer holds it. */
export interface PeerLease {
  readonly id: string;
}

export const PEER_WIRE: Wire<PeerLease> = {
  submit: async (post, count) => {
    await post('/submit', { jobs: Array.from({ length: count }, () => REQUEST) });
  },
  acquire: async (post) => ((await post('/acquire', {})) as { job: PeerLease | null }).job,
  complete: async (post, _, { id }) =>
    ((await post('/complete', { id })) as { next: PeerLease | null }).next,
};

export interface PeerService {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the peer's server in a process of its own; `folder` takes its log. */
export async function startPeerService(
  folder: string,
  { name, place }: { name: PeerName; place: PeerPlace },
): Promise<PeerService> {
  const order: PeerOrder = { peer: name, place, port: await findFreePort() };
  const part = new Part({
    name: place.space,
    args: [join(import.meta.dirname, 'peer-server.ts'), JSON.stringify(order)],
    cwd: folder,
    logDir: join(folder, 'logs'),
    stopMs: 1000,
    announces: true,
    print: quiet,
  });
  await part.start();
  return { url: `http://127.0.0.1:${order.port}`, stop: () => part.stop() };
}

/** The peer with its 16 agents. */
export async function startHttpPeer(
  folder: string,
  peer: { name: PeerName; place: PeerPlace },
): Promise<HttpContender<PeerLease>> {
  const service = await startPeerService(folder, peer);
  return new HttpContender({
    system: peer.name,
    durability: durabilityOf(peer.name),
    url: service.url,
    wire: PEER_WIRE,
    settle: () => Promise.resolve(),
    end: () => service.stop(),
  });
}
