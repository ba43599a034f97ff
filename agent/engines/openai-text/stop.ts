/**
 * Stop sequences, exact whatever the server does with them: text is let through up to the first
 * one, and what might be the start of one is held back until that is known. Of two that end at
 * the same place the longer one counts. Pure.
 */
export class StopCutter {
  readonly #stops: readonly string[];
  #held = '';
  #hit = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** Whether a stop sequence came; nothing more is let through. */
  get hit(): boolean {
    return this.#hit;
  }

  /** What may be shown now that `text` came. */
  push(text: string): string {
    if (this.#hit) return '';
    this.#held += text;
    const cut = this.#firstStop();
    if (cut !== null) {
      const shown = this.#held.slice(0, cut);
      this.#held = '';
      this.#hit = true;
      return shown;
    }
    return this.#release(this.#held.length - this.#suspectChars());
  }

  /** The rest, when nothing more comes. */
  end(): string {
    return this.#release(this.#held.length);
  }

  #release(chars: number): string {
    const shown = this.#held.slice(0, chars);
    this.#held = this.#held.slice(chars);
    return shown;
  }

  /** Where the stop sequence begins that ends first. */
  #firstStop(): number | null {
    let first: { readonly from: number; readonly to: number } | null = null;
    for (const stop of this.#stops) {
      const from = this.#held.indexOf(stop);
      const to = from + stop.length;
      if (from < 0 || (first && (to > first.to || (to === first.to && from > first.from))))
        continue;
      first = { from, to };
    }
    return first && first.from;
  }

  /** Characters at the end that a stop sequence may begin with. */
  #suspectChars(): number {
    let most = 0;
    for (const stop of this.#stops) {
      for (let chars = Math.min(stop.length - 1, this.#held.length); chars > most; chars--) {
        if (this.#held.endsWith(stop.slice(0, chars))) most = chars;
      }
    }
    return most;
  }
}
