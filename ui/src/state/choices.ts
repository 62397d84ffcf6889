/** Light or dark: by the system unless chosen. Remembered, as the language is. */
import type { LanguageChoice } from '../i18n/index.svelte';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export function showTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

/** Whom to ask for help with new downloads. */
export const ASKS = ['none', 'friends', 'everyone'] as const;
export type AskChoice = (typeof ASKS)[number];

export interface Choices {
  theme: Theme;
  language: LanguageChoice;
  detailsPx: number;
  ask: AskChoice;
  /** Whether lending was ever on here: before that its terms are shown first. */
  hasLent: boolean;
}

const KEY = 'manyhands.choices';
const DEFAULTS: Choices = {
  theme: 'system',
  language: 'system',
  detailsPx: 344,
  ask: 'none',
  hasLent: false,
};

/** What was chosen before; what cannot be read is as if it had never been chosen. */
export function readChoices(storage: Pick<Storage, 'getItem'>): Choices {
  try {
    const read: unknown = JSON.parse(storage.getItem(KEY) ?? '{}');
    const given = (typeof read === 'object' && read !== null ? read : {}) as Partial<Choices>;
    return {
      theme: THEMES.find((theme) => theme === given.theme) ?? DEFAULTS.theme,
      language: given.language === 'en' || given.language === 'zh-CN' ? given.language : 'system',
      ask: ASKS.find((ask) => ask === given.ask) ?? DEFAULTS.ask,
      hasLent: given.hasLent === true,
      detailsPx: Number.isFinite(given.detailsPx) ? Number(given.detailsPx) : DEFAULTS.detailsPx,
    };
  } catch {
    return DEFAULTS;
  }
}

export function keepChoices(storage: Pick<Storage, 'setItem'>, choices: Choices): void {
  try {
    storage.setItem(KEY, JSON.stringify(choices));
  } catch {
    // A page without storage works; it forgets.
  }
}
