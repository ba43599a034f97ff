/** All tables, for migrations and queries: the one place that gathers. */
export { account, apiKey, identity, linkCode, session } from './account.ts';
export { artifact, galleryEntry, job, usage } from './job.ts';
export { ledgerEntry } from './ledger.ts';
export { agent, audit, webhook } from './operation.ts';
