/**
 * Keeps zod from compiling parsers with `new Function`: the site's Content-Security-Policy
 * forbids it, and even the probe would be reported. Imported before any schema is built.
 */
import { config } from 'zod';

config({ jitless: true });
