/** Business hours: intervals by weekday, holidays, and the next opening. */

import { useQuery } from "@tanstack/react-query";
import { type Weekday, WidgetNowDocument } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { TextField } from "../../ui/field";
import { useRows } from "../../ui/rows";
import { execute } from "../api";
import { formatFullTime } from "../words";
import type { Settings } from "./form";
import { dayName, hoursInWords, WEEKDAYS } from "./preview";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

type Hours = Settings["sla"]["businessHours"];
type Interval = Hours["week"][number];

const nameOf = (holiday: Hours["holidays"][number]) => holiday.name || `the holiday on ${holiday.date}`;

const ZONES = Intl.supportedValuesOf("timeZone");

export function HoursSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const hours = settings.sla.businessHours;
  const set = (values: Partial<Hours>) =>
    edit({ ...settings, sla: { ...settings.sla, businessHours: { ...hours, ...values } } });
  const holidays = useRows(hours.holidays, (holidays) => set({ holidays }));
  const { data } = useQuery({
    queryKey: ["widget", settings.agentId, settings.version],
    queryFn: () => execute(WidgetNowDocument, { agentId: settings.agentId }),
  });
  const now = data?.widget;
  return (
    <SettingsSection
      title="Business hours"
      lead={
        <>
          The clock runs {hoursInWords(hours)}.
          {now && (
            <>
              {" "}
              As saved, the team is {now.online ? "open now." : "closed now."}
              {!now.online && now.opensAt && ` Next opening: ${formatFullTime(now.opensAt)}.`}
            </>
          )}
        </>
      }
    >
      <TextField
        label="Time zone"
        list="baton-time-zones"
        value={hours.timezone}
        disabled={disabled}
        error={errorAt("sla.businessHours.timezone")}
        onChange={(event) => set({ timezone: event.target.value })}
      />
      <datalist id="baton-time-zones">
        {ZONES.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <fieldset className={styles.week}>
        <legend>Week</legend>
        {WEEKDAYS.map((day) => (
          <Day key={day} day={day} hours={hours} disabled={disabled} onWeek={(week) => set({ week })} />
        ))}
        {!disabled && (
          <div className={styles.buttons}>
            <Button
              onPress={() =>
                set({ week: WEEKDAYS.slice(0, 5).map((day) => ({ day, opens: "09:00", closes: "17:00" })) })
              }
            >
              Monday to Friday, 9 to 5
            </Button>
            <Button onPress={() => set({ week: [] })}>Around the clock</Button>
          </div>
        )}
        {errorAt("sla.businessHours.week") && <p role="alert">{errorAt("sla.businessHours.week")}</p>}
      </fieldset>
      <TextField
        label="Public holidays of"
        hint="A country or region, such as DE or DE-BY. Empty for none."
        value={hours.holidayCalendar ?? ""}
        disabled={disabled}
        error={errorAt("sla.businessHours.holidayCalendar")}
        onChange={(event) => set({ holidayCalendar: event.target.value || null })}
      />
      <fieldset className={styles.list}>
        <legend>Holidays of your own</legend>
        {hours.holidays.map((holiday, index) => (
          <div
            key={holidays.keyOf(index)}
            className={styles.holiday}
            role="group"
            aria-label={nameOf(holiday)}
          >
            <TextField
              label="Date"
              hideLabel
              type="date"
              value={holiday.date}
              disabled={disabled}
              onChange={(event) => holidays.change(index, { date: event.target.value })}
            />
            <TextField
              label="Name of the holiday"
              hideLabel
              placeholder="Name"
              value={holiday.name}
              disabled={disabled}
              onChange={(event) => holidays.change(index, { name: event.target.value })}
            />
            {!disabled && (
              <IconButton
                label={`Remove ${nameOf(holiday)}`}
                icon="trash"
                onPress={(press) => holidays.remove(index, nameOf(holiday), press)}
              />
            )}
          </div>
        ))}
        {!disabled && (
          <Button
            icon="plus"
            onPress={() =>
              set({
                holidays: [...hours.holidays, { date: new Date().toISOString().slice(0, 10), name: "" }],
              })
            }
          >
            Add a holiday
          </Button>
        )}
      </fieldset>
    </SettingsSection>
  );
}

interface DayProps {
  day: Weekday;
  hours: Hours;
  disabled: boolean;
  onWeek(week: Interval[]): void;
}

const intervalName = ({ day, opens, closes }: Interval) => `${opens} to ${closes} on ${dayName(day)}`;

/** Return the intervals in the order of the week. */
const inOrder = (week: readonly Interval[]) =>
  WEEKDAYS.flatMap((day) => week.filter((interval) => interval.day === day));

function Day({ day, hours, disabled, onWeek }: DayProps) {
  const own = hours.week.filter((interval) => interval.day === day);
  const others = hours.week.filter((interval) => interval.day !== day);
  const intervals = useRows(own, (changed) => onWeek(inOrder([...others, ...changed])));
  return (
    <div className={styles.day} role="group" aria-label={dayName(day)}>
      <span>{dayName(day)}</span>
      <div>
        {own.length === 0 && (
          <span className={styles.closed}>{hours.week.length ? "Closed" : "Open all day"}</span>
        )}
        {own.map((interval, index) => (
          <span
            key={intervals.keyOf(index)}
            className={styles.interval}
            role="group"
            aria-label={intervalName(interval)}
          >
            <input
              type="text"
              inputMode="numeric"
              pattern="([01][0-9]|2[0-3]):[0-5][0-9]"
              aria-label={`${dayName(day)} opens`}
              value={interval.opens}
              disabled={disabled}
              onChange={(event) => intervals.change(index, { opens: event.target.value })}
            />
            –
            <input
              type="text"
              inputMode="numeric"
              pattern="([01][0-9]|2[0-3]):[0-5][0-9]|24:00"
              aria-label={`${dayName(day)} closes`}
              value={interval.closes}
              disabled={disabled}
              onChange={(event) => intervals.change(index, { closes: event.target.value })}
            />
            {!disabled && (
              <IconButton
                label={`Remove ${intervalName(interval)}`}
                icon="close"
                onPress={(press) => intervals.remove(index, intervalName(interval), press)}
              />
            )}
          </span>
        ))}
      </div>
      {!disabled && (
        <IconButton
          label={`Add an interval on ${dayName(day)}`}
          icon="plus"
          onPress={() =>
            onWeek([...hours.week, { day, opens: own.length ? "13:00" : "09:00", closes: "17:00" }])
          }
        />
      )}
    </div>
  );
}
