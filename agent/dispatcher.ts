/**
 * Of requests that go anywhere but to the edge or through an engine's driver. It is ours: without
 * one, fetch takes the one that Node has built in, which is of another version, and breaks the
 * whole process on an answer that ends with its connection, as KoboldCPP's do (HTTP/1.0).
 */
import { Agent } from 'undici';

export const DISPATCHER = new Agent({ allowH2: false });
