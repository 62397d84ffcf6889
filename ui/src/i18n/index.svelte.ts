/** The language of the page: chosen by the system, switchable, remembered. */
import { Formats } from '../format';
import { timeText } from '../state/terms';
import type { FailureView, RuleTerms } from '../types';
import { type Catalogue, en, type FailureText } from './en';
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

/**
 * A failure in the language of the page: what happened, with the particulars where they are in that language, and what the
 * user can do. An unknown code is shown as it came.
 */
export function failureText(
  failure: FailureView,
  texts: Catalogue = t(),
): { title: string; hint: string } {
  const known: { title: string; hint: string } | undefined =
    failure.code in texts.failures ? texts.failures[failure.code as FailureText] : undefined;
  if (!known) return { title: failure.message, hint: failure.hint };
  // The particulars (host, status, path) come in English only.
  return texts.locale === 'en' ? { title: failure.message, hint: known.hint } : known;
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
export function logText(text: string, texts: Catalogue = t()): string {
  const lines: Record<string, string> = texts.logLines;
  if (lines[text] !== undefined) return lines[text];
  const head = Object.keys(lines).find((line) => text.startsWith(`${line} `));
  return head ? `${lines[head]} ${text.slice(head.length + 1)}` : text;
}
