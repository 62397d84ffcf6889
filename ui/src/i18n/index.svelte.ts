/** The language of the page: chosen by the system, switchable, remembered. */
import { Formats } from '../format';
import { timeText } from '../state/terms';
import type { FailureView, LogLine, RuleTerms } from '../types';
import { type Catalogue, en, type FailureText, type WhatText } from './en';
import type { Parts } from './failures.en';
import { zhCN } from './zh-CN';

export const LANGUAGES = { en, 'zh-CN': zhCN } as const satisfies Record<string, Catalogue>;
export type Language = keyof typeof LANGUAGES;
export type LanguageChoice = Language | 'system';

/** The first of the system's languages that there is a catalogue for; otherwise English. */
export function systemLanguage(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const base = tag.toLowerCase().split('-')[0];
    if (base === 'zh') return 'zh-CN';
    if (base === 'en') return 'en';
  }
  return 'en';
}

export const languageOf = (choice: LanguageChoice): Language =>
  choice === 'system' ? systemLanguage(navigator.languages) : choice;

class Speech {
  choice = $state<LanguageChoice>('system');
  readonly language: Language = $derived(languageOf(this.choice));
  readonly texts: Catalogue = $derived(LANGUAGES[this.language]);
  readonly formats = $derived(new Formats(this.texts.locale, this.texts.units));
}

export const speech = new Speech();

/** The texts in the language of the page. */
export const t = (): Catalogue => speech.texts;
/** Numbers and units in the language of the page. */
export const f = (): Formats => speech.formats;

export interface FailureWords {
  /** What happened, with the particulars as far as they can be said. */
  title: string;
  /** What the user can do. */
  hint: string;
  /** The English sentence, where the title could not say as much in the language of the page. */
  detail: string | null;
}

/** A failure in the language of the page. What this page does not know yet is shown as it came. */
export function failureText(failure: FailureView, texts: Catalogue = t()): FailureWords {
  const known: { title: string; hint: string } | undefined =
    failure.code in texts.failures ? texts.failures[failure.code as FailureText] : undefined;
  const hint = known?.hint ?? failure.hint;
  const sentence = whatText(failure, texts);
  if (sentence !== null) return { title: sentence, hint, detail: null };
  if (texts.locale === 'en' || !known) return { title: failure.message, hint, detail: null };
  return { title: known.title, hint, detail: failure.message };
}

/** What happened, in one sentence: where the title could not say as much, the English one is quoted in it. */
export function sentenceText({ title, detail }: FailureWords, texts: Catalogue = t()): string {
  return detail === null ? title : texts.quoted(title, detail);
}

/** What exactly happened, where that was told in a way that can be translated. */
function whatText({ what, parts = {} }: FailureView, texts: Catalogue): string | null {
  if (what === undefined || !(what in texts.whats)) return null;
  return texts.whats[what as WhatText]({ ...NO_PARTS, ...parts, ...amounts(parts, texts) });
}

const NO_PARTS: Parts = {
  address: '',
  before: '',
  bytes: '',
  detail: '',
  digest: '',
  encoding: '',
  expected: '',
  found: '',
  free: '',
  host: '',
  most: '',
  name: '',
  now: '',
  path: '',
  port: '',
  scheme: '',
  seconds: '',
  server: '',
  status: '',
  who: '',
};

/** The parts that are amounts of bytes, with their unit; exact ones where rounded ones would look the same. */
function amounts(
  parts: NonNullable<FailureView['parts']>,
  texts: Catalogue,
): Record<string, string> {
  const formats = new Formats(texts.locale, texts.units);
  const given = ['before', 'now', 'bytes', 'free'].filter((name) => name in parts);
  const rounded = given.map((name) => formats.bytes(Number(parts[name])));
  const exact = given.map(
    (name) => `${formats.number(Number(parts[name]))} ${texts.units.bytes[0]}`,
  );
  const told = new Set(rounded).size < given.length ? exact : rounded;
  return Object.fromEntries(given.map((name, i) => [name, told[i] ?? '']));
}

/** Terms of lending in short: `up to 5 GB a day, at most 2 MB/s, from 22:00 to 08:00`. `none`: what no bound at all means. */
export function termsText({ dailyBytes, bytesPerS, hours }: RuleTerms, none: string): string {
  const { terms } = t();
  const parts = [
    dailyBytes > 0 ? terms.aDay(f().bytes(dailyBytes)) : null,
    bytesPerS > 0 ? terms.atMost(f().throughput(bytesPerS)) : null,
    hours ? terms.between(timeText(hours.fromMinute), timeText(hours.toMinute)) : null,
  ].filter((part) => part !== null);
  return parts.length > 0 ? terms.and(parts) : none;
}

/** A line of the log in the language of the page, as far as it is known. */
export function logText({ text, failure }: LogLine, texts: Catalogue = t()): string {
  const lines: Record<string, string> = texts.logLines;
  if (lines[text] !== undefined) return lines[text];
  const head = Object.keys(lines).find((line) => text.startsWith(`${line} `));
  if (head === undefined) return text;
  const why = failure ? failureText(failure, texts) : null;
  const said = why ? sentenceText(why, texts) : text.slice(head.length + 1);
  return [lines[head], said].join(texts.gap);
}
