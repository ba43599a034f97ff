/** What a guide is: a few sentences and one example in three languages. */

export const LANGUAGES = ['curl', 'javascript', 'python'] as const;
export type Language = (typeof LANGUAGES)[number];

export interface Guide {
  /** Its anchor on the page. */
  readonly id: string;
  readonly title: string;
  /** Paragraphs; code stands between backticks. */
  readonly text: readonly string[];
  /** Whole programs: they run as they are, with TESSERA_URL and TESSERA_KEY set. */
  readonly code: Readonly<Record<Language, string>>;
}
