/** A peer as its users mostly run it: producer and workers in one process, with nothing between. */
import type { Contender } from './contender.ts';
import { REQUEST } from './contender.ts';
import { durabilityOf, startPeer, type PeerName, type PeerPlace } from './peer.ts';

/** Starts a peer in this process; its workers complete each job at once. */
export async function startBare(name: PeerName, place: PeerPlace): Promise<Contender> {
  let listener = () => {};
  const peer = await startPeer(name, place, {
    work: () => Promise.resolve(),
    ended: () => listener(),
  });
  return {
    system: name,
    mode: 'bare',
    durability: durabilityOf(name),
    submit: (count) => peer.add(Array.from({ length: count }, () => REQUEST)),
    onEnd: (next) => {
      listener = next;
    },
    settle: () => Promise.resolve(),
    stop: () => peer.stop(),
  };
}
