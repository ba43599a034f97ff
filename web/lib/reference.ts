/** Where the files of Swagger UI lie: by version, so that they are cached for good. */
import swagger from 'swagger-ui-dist/package.json' with { type: 'json' };

export const REFERENCE_PATH = `/_next/static/swagger-ui-${swagger.version}`;
const SCRIPT = 'swagger-ui-bundle.js';
const STYLE = 'swagger-ui.css';
export const REFERENCE_FILES = [SCRIPT, STYLE] as const;
export const REFERENCE_SCRIPT = `${REFERENCE_PATH}/${SCRIPT}`;
export const REFERENCE_STYLE = `${REFERENCE_PATH}/${STYLE}`;
