/** Business hours: intervals by weekday, holidays, and the next opening. */

import { useQuery } from "@tanstack/react-query";
import { type Weekday, WidgetNowDocument } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { TextField } from "../../ui/field";
import { execute } from "../api";
import { formatFullTime } from "../words";
import type { Settings } from "./form";
import { dayName, hoursInWords, WEEKDAYS } from "./preview";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

type Hours = Settings["sla"]["businessHours"];
type Interval = Hours["week"][number];

const ZONES = Intl.supportedValuesOf("timeZone");

export function HoursSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const hours = settings.sla.businessHours;
  const set = (values: Partial<Hours>) =>
    edit({ ...settings, sla: { ...settings.sla, businessHours: { ...hours, ...values } } });
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
          <div key={index} className={styles.holiday}>
            <TextField
              label="Date"
              hideLabel
              type="date"
              value={holiday.date}
              disabled={disabled}
              onChange={(event) =>
                set({
                  holidays: hours.holidays.map((other, at) =>
                    at === index ? { ...other, date: event.target.value } : other,
                  ),
                })
              }
            />
            <TextField
              label="Name of the holiday"
              hideLabel
              placeholder="Name"
              value={holiday.name}
              disabled={disabled}
              onChange={(event) =>
                set({
                  holidays: hours.holidays.map((other, at) =>
                    at === index ? { ...other, name: event.target.value } : other,
                  ),
                })
              }
            />
            {!disabled && (
              <IconButton
                label={`Remove ${holiday.name || "the holiday"}`}
                icon="trash"
                onPress={() => set({ holidays: hours.holidays.filter((_, at) => at !== index) })}
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

function Day({ day, hours, disabled, onWeek }: DayProps) {
  const own = hours.week.flatMap((interval, index) => (interval.day === day ? [{ interval, index }] : []));
  const change = (index: number, values: Partial<Interval>) =>
    onWeek(hours.week.map((interval, at) => (at === index ? { ...interval, ...values } : interval)));
  return (
    <div className={styles.day}>
      <span>{dayName(day)}</span>
      <div>
        {own.length === 0 && (
          <span className={styles.closed}>{hours.week.length ? "Closed" : "Open all day"}</span>
        )}
        {own.map(({ interval, index }) => (
          <span key={index} className={styles.interval}>
            <input
              type="text"
              inputMode="numeric"
              pattern="([01][0-9]|2[0-3]):[0-5][0-9]"
              aria-label={`${dayName(day)} opens`}
              value={interval.opens}
              disabled={disabled}
              onChange={(event) => change(index, { opens: event.target.value })}
            />
            –
            <input
              type="text"
              inputMode="numeric"
              pattern="([01][0-9]|2[0-3]):[0-5][0-9]|24:00"
              aria-label={`${dayName(day)} closes`}
              value={interval.closes}
              disabled={disabled}
              onChange={(event) => change(index, { closes: event.target.value })}
            />
            {!disabled && (
              <IconButton
                label={`Remove ${interval.opens} to ${interval.closes} on ${dayName(day)}`}
                icon="close"
                onPress={() => onWeek(hours.week.filter((_, at) => at !== index))}
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
