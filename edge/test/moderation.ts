/** A moderation server in memory, of the OpenAI shape, that checks what it is sent. */

interface Asked {
  readonly url: string;
  readonly key: string | null;
  readonly model: string;
  readonly input: readonly string[];
}

/** Flags texts by the categories it was given for them; `isAway` has it answer 503. */
export class ModerationDouble {
  readonly asked: Asked[] = [];
  isAway = false;
  readonly #flags: Readonly<Record<string, readonly string[]>>;

  constructor(flags: Readonly<Record<string, readonly string[]>> = {}) {
    this.#flags = flags;
  }

  readonly send: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const { model, input: texts } = await request.json<{ model: string; input: string[] }>();
    const key = request.headers.get('authorization');
    this.asked.push({ url: request.url, key, model, input: texts });
    if (this.isAway) return new Response('busy', { status: 503 });
    const results = texts.map((text) => {
      const names = this.#flags[text] ?? [];
      const categories = Object.fromEntries(names.map((name) => [name, true]));
      return { flagged: names.length > 0, categories: { sexual: false, ...categories } };
    });
    return Response.json({ id: 'modr-1', model, results });
  };
}
