/** The Directory object, one per identity such as `telegram:123`, as its callers see it over RPC. */

export interface DirectoryObject {
  /** The identity's account; made, on the free plan, at first contact. */
  resolve(contact: {
    identity: string;
    /** What people call the user, for the operator. */
    name: string;
    requestId: string;
  }): Promise<{ readonly accountId: string; readonly isNew: boolean }>;
  /** The identity's account, or null before first contact. */
  find(): Promise<string | null>;
}
