/**
 * Preloaded into the real agent where the idle gap is measured (`node --import`): its registry
 * opens timed-engine.ts when it asks for the painter. Nothing else of the agent is touched.
 */
import { registerHooks } from 'node:module';

const TIMED = new URL('timed-engine.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const isPainter = specifier === './painter.ts' && context.parentURL?.endsWith('/registry.ts');
    return next(isPainter ? TIMED : specifier, context);
  },
});
