/**
 * How numbers with units are printed. The only place that does so.
 *
 * Units are decimal (1 kB = 1000 bytes), as on the web pages that the files come from.
 */
export interface Units {
  readonly bytes: readonly [string, string, string, string, string];
  /** After a number of bytes. */
  readonly perSecond: string;
  readonly seconds: (n: string) => string;
  readonly minutes: (n: string) => string;
  readonly hours: (h: string, min: string) => string;
  readonly days: (d: string, h: string) => string;
}

const STEP = 1000;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Longer than this is a guess that helps nobody. */
const LONGEST_S = 99 * DAY;

export class Formats {
  readonly #units: Units;
  readonly #whole: Intl.NumberFormat;
  readonly #tenths: Intl.NumberFormat;
  readonly #percent: Intl.NumberFormat;
  readonly #time: Intl.DateTimeFormat;

  constructor(locale: string, units: Units) {
    this.#units = units;
    this.#whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
    this.#tenths = new Intl.NumberFormat(locale, {
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
    });
    this.#percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
    this.#time = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
  }

  /** `3.9 GB`, `812 MB`, `1.0 kB`, `17 B`. */
  bytes(bytes: number): string {
    let value = Math.max(0, bytes);
    let unit = 0;
    // 999.95 would be printed as 1000.0 of the smaller unit.
    while (value >= STEP - 0.5 && unit < this.#units.bytes.length - 1) {
      value /= STEP;
      unit += 1;
    }
    const digits = unit > 0 && value < 99.95 ? this.#tenths : this.#whole;
    return `${digits.format(value)} ${this.#units.bytes[unit]}`;
  }

  /** `10.2`: a throughput as a part of another one, in the unit in which that one is printed. */
  throughputOf(bytesPerS: number, whole: number): string {
    let unit = 1;
    while (Math.max(0, whole) / unit >= STEP - 0.5) unit *= STEP;
    const value = Math.max(0, bytesPerS) / unit;
    return (value < 99.95 && unit > 1 ? this.#tenths : this.#whole).format(value);
  }

  /** `41.8 MB/s`. */
  throughput(bytesPerS: number): string {
    return this.bytes(bytesPerS) + this.#units.perSecond;
  }

  /** Rounded down: 100 % is said only of what is complete. */
  percent(part: number, whole: number): string {
    // Divided last: 29 hundredths times 100 are 28.999….
    const share = whole > 0 ? Math.floor(Math.max(0, part * 100) / whole) : 100;
    return this.#percent.format(Math.min(100, share) / 100);
  }

  /** `35 s`, `7 min`, `1 h 20 min`, `2 d 3 h`; `null` when it is too long to be known. */
  duration(seconds: number): string | null {
    if (!Number.isFinite(seconds) || seconds < 0 || seconds > LONGEST_S) return null;
    const whole = (n: number) => this.#whole.format(n);
    if (seconds < MINUTE) return this.#units.seconds(whole(Math.ceil(seconds)));
    if (seconds < HOUR) return this.#units.minutes(whole(Math.round(seconds / MINUTE)));
    if (seconds < DAY) {
      const minutes = Math.floor((seconds % HOUR) / MINUTE);
      return this.#units.hours(whole(Math.floor(seconds / HOUR)), whole(minutes));
    }
    return this.#units.days(
      whole(Math.floor(seconds / DAY)),
      whole(Math.floor((seconds % DAY) / HOUR)),
    );
  }

  number(n: number): string {
    return this.#whole.format(n);
  }

  /** The time of day. */
  time(unixMs: number): string {
    return this.#time.format(unixMs);
  }
}
