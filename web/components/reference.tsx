'use client';
/**
 * The reference: Swagger UI over `/openapi.json`, both from this origin. It is loaded when the
 * page is open and takes the site's colours from docs/reference.css. Requests that are tried go to
 * this origin, whatever address the description names; a key that is entered is kept nowhere.
 */
import { useEffect, useRef, useState } from 'react';
import { REFERENCE_SCRIPT, REFERENCE_STYLE } from '../lib/reference.ts';

interface SwaggerRequest {
  url: string;
}
type SwaggerUi = (options: {
  url: string;
  domNode: HTMLElement;
  deepLinking: boolean;
  docExpansion: 'list';
  defaultModelsExpandDepth: number;
  displayRequestDuration: boolean;
  tryItOutEnabled: boolean;
  syntaxHighlight: boolean;
  validatorUrl: null;
  requestInterceptor: (request: SwaggerRequest) => SwaggerRequest;
  onComplete: () => void;
}) => unknown;

export function Reference() {
  const place = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<'loading' | 'ready' | 'failed'>('loading');
  useEffect(() => {
    let isOver = false;
    Promise.all([loadScript(REFERENCE_SCRIPT), loadStyle(REFERENCE_STYLE)])
      .then(() => {
        if (isOver || !place.current) return;
        const { SwaggerUIBundle } = window as unknown as { SwaggerUIBundle: SwaggerUi };
        SwaggerUIBundle({
          url: '/openapi.json',
          domNode: place.current,
          deepLinking: true,
          docExpansion: 'list',
          defaultModelsExpandDepth: 0,
          displayRequestDuration: true,
          tryItOutEnabled: true,
          syntaxHighlight: false,
          validatorUrl: null,
          requestInterceptor: stayHere,
          onComplete: () => setState('ready'),
        });
      })
      .catch(() => setState('failed'));
    return () => {
      isOver = true;
    };
  }, []);
  return (
    <div className="reference">
      {state === 'loading' && <p className="py-10 text-muted">The reference is loading…</p>}
      {state === 'failed' && (
        <p role="alert" className="py-10">
          The reference could not be loaded. The description itself is at{' '}
          <a className="text-link" href="/openapi.json">
            /openapi.json
          </a>
          .
        </p>
      )}
      <div ref={place} data-testid="reference" data-state={state} />
    </div>
  );
}

/** The page may call no other origin, and this one serves the API. */
function stayHere(request: SwaggerRequest): SwaggerRequest {
  const { pathname, search } = new URL(request.url, window.location.href);
  request.url = `${window.location.origin}${pathname}${search}`;
  return request;
}

function loadScript(src: string): Promise<void> {
  return load(Object.assign(document.createElement('script'), { src }));
}

function loadStyle(href: string): Promise<void> {
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href });
  return load(link, document.head.firstChild);
}

/** Resolves when the element has loaded; one that is there already counts. */
function load(element: HTMLElement, before: ChildNode | null = null): Promise<void> {
  return new Promise((resolve, reject) => {
    element.addEventListener('load', () => resolve());
    element.addEventListener('error', () => reject(new Error('a file is missing')));
    document.head.insertBefore(element, before);
  });
}
