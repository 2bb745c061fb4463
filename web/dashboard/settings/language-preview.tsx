/** The preview of a confirmation in another language. It is a part of its own, since the words are 100 kB. */

import languages from "../../../rules/locale_data.json";
import type { SettingsPartsFragment } from "../../gql/operations";
import { LocaleData } from "./locale-data";
import { renderConfirmation } from "./preview";
import styles from "./settings.module.css";

interface LanguagePreviewProps {
  template: string;
  language: string;
  sla: SettingsPartsFragment["sla"];
}

export function LanguagePreview({ template, language, sla }: LanguagePreviewProps) {
  return (
    <figure className={styles.preview}>
      <figcaption>The customer reads</figcaption>
      <p dir="auto">{renderConfirmation(template, sla, LocaleData.of(language, languages))}</p>
    </figure>
  );
}
