/**
 * Stands in for the module `cloudflare:workers`: the two classes that the edge's objects extend.
 * A target that is put into an answer becomes a name there; the network makes a stub of it.
 */
import { theNetwork } from './network.ts';

export class DurableObject<Env> {
  protected readonly ctx: DurableObjectState;
  protected readonly env: Env;

  constructor(ctx: DurableObjectState, env: Env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class RpcTarget {
  toJSON(): { readonly $rpc: string } {
    return { $rpc: theNetwork().exportTarget(this) };
  }
}
