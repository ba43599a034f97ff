'use client';
/** The live half of the first page: what it is and how it stands, the studio, the models. */
import '../lib/zod-without-eval.ts';
import { useAccount } from '../lib/use-account.ts';
import { useHealth } from '../lib/use-health.ts';
import { useModels } from '../lib/use-models.ts';
import { buttonClass } from './button.tsx';
import { Gallery } from './gallery.tsx';
import { ModelSection } from './model-list.tsx';
import { Mosaic } from './mosaic.tsx';
import { ServiceStatus } from './service-status.tsx';
import { Studio } from './studio.tsx';

export function Home() {
  const health = useHealth();
  const handle = useAccount();
  const online = health?.ok ? health.value.agents.online : null;
  const models = useModels(handle.session?.key ?? null, online);
  return (
    <>
      <section aria-labelledby="what-title" className="section pt-8! lg:pt-14!">
        <div className="grid items-center gap-10 lg:grid-cols-[minmax(0,1.05fr)_minmax(0,1fr)]">
          <div>
            <h1
              id="what-title"
              className="text-[clamp(2.5rem,1.7rem+3.6vw,4.25rem)] leading-[1.02] font-bold tracking-[-0.03em]"
            >
              One home GPU, lit for everyone
            </h1>
            <p className="mt-5 max-w-xl text-lg">
              Tessera is a single graphics card in somebody’s home, shared as a public service. You
              ask for a picture, a clip, a text, a voice or a song; a fair queue brings it to the
              card; the result comes back to you.
            </p>
            <p className="mt-3 max-w-xl text-muted">
              The window in the mosaic is lit while the card is online.
            </p>
            <div className="mt-6 flex flex-wrap gap-3">
              <a href="#studio" className={buttonClass('primary')}>
                Make a picture
              </a>
              <a href="/docs" className={buttonClass('quiet')}>
                Use the API
              </a>
            </div>
            <div className="mt-7">
              <ServiceStatus health={health} />
            </div>
          </div>
          <Mosaic lit={(online ?? 0) > 0} />
        </div>
      </section>
      <Studio handle={handle} models={models?.ok ? models.value.data : null} />
      <Gallery />
      <ModelSection models={models} />
    </>
  );
}
