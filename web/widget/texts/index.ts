/** The languages of the widget. English is part of the panel, the others are fetched. */

import english, { type Texts } from "./en";

const OTHERS: Record<string, () => Promise<{ default: Texts }>> = {
  ar: () => import("./ar"),
  de: () => import("./de"),
  es: () => import("./es"),
  fr: () => import("./fr"),
};

/** Return the texts in a language, such as de-AT or de_AT, or in English. */
export async function loadTexts(language: string | undefined): Promise<Texts> {
  const load = OTHERS[language?.toLowerCase().split(/[-_]/)[0] ?? ""];
  try {
    return load ? (await load()).default : english;
  } catch {
    return english;
  }
}
