/**
 * What the one-file build of the agent carries beside its code; null when it runs from its
 * sources. The build puts it in the place of a name that is defined nowhere else.
 */
export interface Bundle {
  /** ComfyUI workflows: the text of each file, by its name. */
  readonly workflows: Readonly<Record<string, string>>;
}

declare const TESSERA_BUNDLE: Bundle | undefined;

export const BUNDLE: Bundle | null = typeof TESSERA_BUNDLE === 'undefined' ? null : TESSERA_BUNDLE;
