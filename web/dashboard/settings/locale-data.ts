/** The words of languages for durations, weekdays and times, as `rules/locale_data.py` writes them. */

/** The patterns of a language: the meaning of each is in `rules/locale_data.py`. */
export interface Language {
  plurals: number;
  units: Record<string, Partial<Record<string, string>>>;
  unit_pair: string;
  lists: string[];
  days: string[];
  day_range: string;
  hour_digits: number;
  time_range: string;
  schedule: string;
  digits: string;
}

/** The content of `rules/locale_data.json`. */
export interface Languages {
  plurals: string[];
  aliases: Record<string, string>;
  languages: Record<string, Language>;
}

/** A count and its unit. */
export type Part = [number, string];

const PLURAL_CATEGORIES = ["zero", "one", "two", "few", "many", "other"] as const;

function own<Value>(record: Record<string, Value>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function filled(pattern: string, ...values: string[]): string {
  return values.reduce((text, value, index) => text.replaceAll(`{${index}}`, () => value), pattern);
}

/** A language that texts can be filled in. */
export class LocaleData {
  private readonly language: Language;
  private readonly plurals: string;

  constructor(language: Language, plurals: string) {
    this.language = language;
    this.plurals = plurals;
  }

  /** Return a language, or the one that its tag begins with, if there is one. English is none of them. */
  static of(tag: string, { languages, aliases, plurals }: Languages): LocaleData | undefined {
    const subtags = tag.toLowerCase().split("-");
    for (; subtags.length; subtags.pop()) {
      const name = subtags.join("-");
      const language = own(languages, own(aliases, name) ?? name);
      if (language) {
        return new LocaleData(language, plurals[language.plurals] ?? "");
      }
    }
    return undefined;
  }

  hasUnit(unit: string): boolean {
    return Object.hasOwn(this.language.units, unit);
  }

  duration(parts: Part[]): string {
    const words = parts.map(([count, unit]) => this.quantity(count, unit));
    return words.length > 1 ? filled(this.language.unit_pair, ...words) : words.join("");
  }

  listed(items: string[]): string {
    const [pair = "", start = "", middle = "", end = ""] = this.language.lists;
    if (items.length < 3) {
      return items.length === 2 ? filled(pair, ...items) : items.join("");
    }
    const last = filled(end, ...items.slice(-2));
    const words = items.slice(1, -2).reduceRight((rest, item) => filled(middle, item, rest), last);
    return filled(start, items[0] ?? "", words);
  }

  day(day: number): string {
    return this.language.days[day] ?? "";
  }

  daysBetween(first: number, last: number): string {
    return filled(this.language.day_range, this.day(first), this.day(last));
  }

  timesBetween(start: number, end: number): string {
    const numbers = [start, end].flatMap((time) => [
      this.number(Math.floor(time / 60), this.language.hour_digits),
      this.number(time % 60, 2),
    ]);
    return filled(this.language.time_range, ...numbers);
  }

  scheduled(days: string, times: string): string {
    return filled(this.language.schedule, times, days);
  }

  private quantity(count: number, unit: string): string {
    const patterns = this.language.units[unit] ?? {};
    const category = PLURAL_CATEGORIES[Number(this.plurals[count < 200 ? count : 100 + (count % 100)])];
    return filled(patterns[category ?? "other"] ?? patterns["other"] ?? "", this.number(count));
  }

  private number(value: number, width = 1): string {
    const text = String(value).padStart(width, "0");
    const digits = [...this.language.digits];
    return digits.length ? [...text].map((digit) => digits[Number(digit)]).join("") : text;
  }
}
