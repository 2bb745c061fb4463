/** How long the text of closed conversations is kept. */

import { NumberField } from "../../ui/field";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

export function RetentionSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const days = settings.retention.closedConversationDays;
  return (
    <SettingsSection title="Privacy" lead="Erased text cannot be restored. Counts, times and figures stay.">
      <div className={styles.grid}>
        <NumberField
          label="Erase closed conversations after, in days"
          hint={
            days == null
              ? "Empty: conversations are kept until a customer is erased."
              : "Days without a message and without an active escalation."
          }
          min={1}
          max={36_500}
          optional
          value={days ?? Number.NaN}
          disabled={disabled}
          error={errorAt("retention.closedConversationDays")}
          onValue={(value) =>
            edit({
              ...settings,
              retention: { closedConversationDays: Number.isNaN(value) ? null : value },
            })
          }
        />
      </div>
    </SettingsSection>
  );
}
