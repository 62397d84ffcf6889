/** Terms of lending as they are typed: amounts in GB and MB/s, hours of the day. Pure. */
import type { RuleTerms } from '../types';

export const GB = 1_000_000_000;
export const MB = 1_000_000;
const MINUTES_OF_DAY = 24 * 60;

/** What is offered when lending is switched on for the first time; as the engine has it. */
export const FIRST_TERMS: RuleTerms = { dailyBytes: 10 * GB, bytesPerS: 12.5 * MB, hours: null };
/** What is offered for somebody who is to be helped always. */
export const FIRST_RULE: RuleTerms = { dailyBytes: 5 * GB, bytesPerS: 0, hours: null };

/** The fields. An empty amount is no bound. */
export interface TermsDraft {
  daily: string;
  rate: string;
  /** Only from … to …, otherwise always. */
  limited: boolean;
  from: string;
  to: string;
}

export type TermsField = 'daily' | 'rate' | 'from' | 'to';

export function draftOf({ dailyBytes, bytesPerS, hours }: RuleTerms): TermsDraft {
  return {
    daily: amountText(dailyBytes, GB),
    rate: amountText(bytesPerS, MB),
    limited: hours !== null,
    from: timeText(hours?.fromMinute ?? 22 * 60),
    to: timeText(hours?.toMinute ?? 8 * 60),
  };
}

/** The fields that cannot be read. */
export function wrongFields(draft: TermsDraft): ReadonlySet<TermsField> {
  const wrong = new Set<TermsField>();
  if (amountOf(draft.daily, GB) === null) wrong.add('daily');
  if (amountOf(draft.rate, MB) === null) wrong.add('rate');
  if (draft.limited && minuteOf(draft.from) === null) wrong.add('from');
  if (draft.limited && minuteOf(draft.to) === null) wrong.add('to');
  return wrong;
}

/** What the fields say; `null` while one cannot be read. */
export function termsOf(draft: TermsDraft): RuleTerms | null {
  const dailyBytes = amountOf(draft.daily, GB);
  const bytesPerS = amountOf(draft.rate, MB);
  const fromMinute = minuteOf(draft.from);
  const toMinute = minuteOf(draft.to);
  if (dailyBytes === null || bytesPerS === null) return null;
  if (!draft.limited) return { dailyBytes, bytesPerS, hours: null };
  if (fromMinute === null || toMinute === null) return null;
  // The same time twice is the whole day.
  const hours = fromMinute === toMinute ? null : { fromMinute, toMinute };
  return { dailyBytes, bytesPerS, hours };
}

/** `12.5` or `12,5` of a unit; nothing is 0. `null` for what is no amount, and for one that would be rounded away. */
export function amountOf(text: string, unit: number): number | null {
  const typed = text.trim();
  if (typed === '') return 0;
  if (!/^\d{1,7}([.,]\d{0,6})?$/.test(typed)) return null;
  const number = Number(typed.replace(',', '.'));
  const amount = Math.round(number * unit);
  if (amount === 0 && number > 0) return null;
  return amount <= Number.MAX_SAFE_INTEGER ? amount : null;
}

export const amountText = (amount: number, unit: number): string =>
  amount === 0 ? '' : String(Number((amount / unit).toFixed(6)));

/** `8`, `08` or `8:15`; `24` is midnight. `null` for what is no time of day. */
export function minuteOf(text: string): number | null {
  const [, hour, minute = '0'] = /^(\d{1,2})(?:[:：.](\d{2}))?$/.exec(text.trim()) ?? [];
  if (hour === undefined || Number(minute) > 59) return null;
  const whole = Number(hour) * 60 + Number(minute);
  return whole <= MINUTES_OF_DAY ? whole % MINUTES_OF_DAY : null;
}

export function timeText(minute: number): string {
  const two = (n: number) => String(n).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}
