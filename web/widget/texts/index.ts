/** The languages of the widget. English is part of the panel, the others are fetched. */

import english, { type Texts } from "./en";

const OTHERS: Record<string, () => Promise<{ default: Texts }>> = {
  ar: () => import("./ar"),
  de: () => import("./de"),
  es: () => import("./es"),
  fr: () => import("./fr"),
};

/** Return the texts in a language, or in English. */
export async function loadTexts(language: string | undefined): Promise<Texts> {
  const load = OTHERS[(language as string).split("-")[0] as string];
  try {
    return load ? (await load()).default : english;
  } catch {
    return english;
  }
}
