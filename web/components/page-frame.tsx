/** Header and footer around a page's content. */
import type { ReactNode } from 'react';
import { Logo } from './logo.tsx';

export function PageFrame({ children }: { children: ReactNode }) {
  return (
    <>
      <header className="mx-auto flex w-full max-w-304 flex-wrap items-center justify-between gap-x-6 gap-y-1 px-5 pt-5">
        <a href="/" className="flex min-h-11 items-center gap-2.5">
          <Logo />
          <span className="font-display text-xl font-bold tracking-tight">Tessera</span>
        </a>
        <nav aria-label="Sections" className="-mx-2 flex">
          {[
            ['/#models', 'Models'],
            ['/#plans', 'Plans'],
            ['/docs', 'API'],
          ].map(([href, title]) => (
            <a
              key={href}
              href={href}
              className="inline-flex min-h-11 items-center px-2 font-medium underline-offset-4 hover:underline sm:px-3"
            >
              {title}
            </a>
          ))}
        </nav>
      </header>
      <main id="main">{children}</main>
      <footer className="mx-auto mt-20 w-full max-w-304 px-5 pb-10">
        <div className="flex flex-wrap justify-between gap-x-8 gap-y-3 border-t border-line pt-6 text-muted">
          <p>Tessera: one home GPU, a public service.</p>
          <p className="flex flex-wrap gap-x-5">
            <a className="text-link" href="/docs">
              API reference
            </a>
            <a className="text-link" href="/docs/guides">
              Guides
            </a>
            <a className="text-link" href="/health">
              Health
            </a>
          </p>
        </div>
      </footer>
    </>
  );
}
