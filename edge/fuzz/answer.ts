/** What an answer must be: of the document, whole, and with the headers that its status promises. */
import { findFault } from './conform.ts';
import type { Description } from './document.ts';
import type { DrawnRequest } from './draw.ts';

/** What is wrong with an answer, in one line, or null. */
export function judgeAnswer(
  description: Description,
  { operation, credential }: DrawnRequest,
  answer: { readonly response: Response; readonly text: string },
): string | null {
  const { response, text } = answer;
  const { status, headers } = response;
  if (status >= 500 && status !== 503 && status !== 504) return `${status}: ${text.slice(0, 300)}`;
  if (!headers.get('x-request-id')?.startsWith('req_')) return 'has no x-request-id';
  if (isOpen(operation.security) === false && credential !== 'own' && credential !== 'other') {
    if (status < 400) return `${status} with a credential that is ${credential}`;
  }
  if ((status === 429 || status === 503) && !(Number(headers.get('retry-after')) >= 1)) {
    return `${status} without retry-after`;
  }
  if (status === 401 && !headers.has('www-authenticate')) return '401 without www-authenticate';
  const described = operation.responses[String(status)];
  if (!described) return `${status} is not described: ${text.slice(0, 200)}`;
  return judgeBody(description, described, answer);
}

function judgeBody(
  description: Description,
  described: DrawnRequest['operation']['responses'][string],
  { response, text }: { readonly response: Response; readonly text: string },
): string | null {
  const { status } = response;
  const type = response.headers.get('content-type')?.split(';')[0] ?? '';
  const contents = Object.entries(described.content ?? {});
  if (contents.length === 0) return null;
  const content = contents.find(([known]) => matches(known, type))?.[1];
  if (!content) return `${status} as ${type || 'nothing'}, which is not described`;
  if (type !== 'application/json') return null;
  const body = parse(text);
  if (body === undefined) return `${status} is no JSON: ${text.slice(0, 100)}`;
  const fault = content.schema ? findFault(description, content.schema, body) : null;
  if (fault) return `${status}: ${fault}`;
  const { error } = body as { error?: { code?: string } | null };
  const codes = [...described.description.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code);
  if (status < 400 || !error?.code || codes.includes(error.code)) return null;
  return `${status} with the code ${error.code}, which is not described`;
}

function matches(known: string, type: string): boolean {
  return (
    known === type ||
    known === '*/*' ||
    (known.endsWith('/*') && type.startsWith(known.slice(0, -1)))
  );
}

function isOpen(security: DrawnRequest['operation']['security']): boolean {
  return !security || security.length === 0;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told apart from any JSON: what was sent is none.
    return undefined;
  }
}
