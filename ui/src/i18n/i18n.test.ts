import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { en } from './en';
import { failureText, LANGUAGES, logText, systemLanguage } from './index.svelte';
import { zhCN } from './zh-CN';

const repository = resolve(import.meta.dirname, '../../..');
const source = (path: string) => readFileSync(resolve(repository, path), 'utf8');

/** Every code of the core with its English hint, read from where they are defined. */
function failureCodes(): [code: string, hint: string][] {
  const text = source('crates/core/src/failure.rs');
  const lines = [...text.matchAll(/^ {4}\w+ = "([a-z-]+)",\s*"(.*)";$/gm)];
  return lines.map(([, code = '', hint = '']) => [code, hint]);
}

test('the codes are read from the core', () => {
  const defined = source('crates/core/src/failure.rs').match(/^ {4}\w+ = "/gm) ?? [];
  expect(failureCodes().length).toBeGreaterThan(15);
  expect(failureCodes()).toHaveLength(defined.length);
});

test.each(Object.entries(LANGUAGES))('every failure has a title and a hint in %s', (_, texts) => {
  const codes = failureCodes().map(([code]) => code);
  expect(Object.keys(texts.failures).sort()).toEqual([...codes].sort());
  for (const { title, hint } of Object.values(texts.failures)) {
    expect(title).not.toBe('');
    expect(hint).not.toBe('');
  }
});

test('the English hints are those of the core', () => {
  for (const [code, hint] of failureCodes()) {
    expect(en.failures[code as keyof typeof en.failures].hint, code).toBe(hint);
  }
});

/** All texts by their path; those with parts to fill in are filled in. */
function leaves(value: unknown, path = ''): [string, unknown][] {
  if (typeof value === 'function') {
    const parts: unknown[] = path.endsWith('.and') ? [['Mo', 'Ana']] : Array(value.length).fill(2);
    return [[path, value(...parts)]];
  }
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`))
    : [[path, value]];
}

test('no text is missing or left in English', () => {
  const chinese = new Map(leaves(zhCN));
  const same = new Set([
    '.list.sha256',
    '.add.sha256',
    '.details.digest',
    '.add.linksPlaceholder',
    '.add.headersPlaceholder',
    '.terms.gb',
    '.details.cell',
  ]);
  expect([...chinese.keys()].sort()).toEqual(
    leaves(en)
      .map(([path]) => path)
      .sort(),
  );
  for (const [path, text] of leaves(en)) {
    expect(typeof text, path).toBe('string');
    expect(text, path).not.toBe('');
    if (!path.startsWith('.units') && !same.has(path)) {
      expect(chinese.get(path), path).not.toBe(text);
    }
  }
});

test('every text is said somewhere', () => {
  const folder = resolve(import.meta.dirname, '..');
  const code = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(svelte|ts)$/.test(path) && !/\.test\.ts$|(en|zh-CN)\.ts$/.test(path))
    .map((path) => readFileSync(resolve(folder, path), 'utf8'))
    .join('\n')
    .replace(/\s+\./g, '.');
  // By its name, or as one of those that are looked up by a key.
  const said = (path: string): boolean => {
    const own = path.slice(1).split('.');
    return own.some((_, i) => {
      const name = own.slice(0, own.length - i).join('.');
      return code.includes(i === 0 ? `.${name}` : `.${name}[`);
    });
  };
  // Units are chosen by size, lines of the log are looked up whole.
  const named = leaves(en).filter(([path]) => !/^\.(units|logLines)\./.test(path));
  expect(named.filter(([path]) => !said(path))).toEqual([]);
});

test('what is said of others is said in Chinese characters', () => {
  const parts = [
    'lending',
    'friends',
    'requests',
    'helping',
    'ask',
    'quit',
    'helpStates',
    'helpReasons',
    'modes',
    'modeHelp',
    'modeAsks',
    'learns',
    'pairingStates',
    'pairing',
    'rules',
    'block',
    'removeFriend',
    'limits',
    'meetings',
    'meetingHelp',
    'noWays',
    'serverTroubles',
    'groups',
    'join',
    'make',
    'invite',
    'leave',
    'rotate',
  ];
  const own = leaves(zhCN).filter(([path]) => parts.includes(path.split('.')[1] ?? ''));
  expect(own.length).toBeGreaterThan(80);
  for (const [path, text] of own) {
    if (!path.endsWith('.and')) expect(text, path).toMatch(/\p{Script=Han}/u);
  }
});

test('the sentences of the log are those of the engine', () => {
  const engine = source('crates/engine/src/present.rs');
  const sentences = [...engine.matchAll(/RowState::\w+ => "([^"]+\.)"/g)].map(([, text]) => text);
  expect(sentences).toHaveLength(7);
  expect(Object.keys(en.logLines).sort()).toEqual([...sentences].sort());
});

test('the system chooses the language', () => {
  expect(systemLanguage(['zh-Hans-CN', 'en'])).toBe('zh-CN');
  expect(systemLanguage(['de-DE', 'en-GB', 'zh-CN'])).toBe('en');
  expect(systemLanguage(['fr'])).toBe('en');
  expect(systemLanguage([])).toBe('en');
});

test('a failure keeps its particulars where they can be read', () => {
  const failure = { code: 'not-found', message: 'example.org answered 404.', hint: '' };
  expect(failureText(failure, en).title).toBe('example.org answered 404.');
  expect(failureText(failure, en).hint).toBe(en.failures['not-found'].hint);
  expect(failureText(failure, zhCN)).toEqual(zhCN.failures['not-found']);
  const unknown = { code: 'brand-new', message: 'New.', hint: 'Wait.' };
  expect(failureText(unknown, zhCN)).toEqual({ title: 'New.', hint: 'Wait.' });
});

test('a line of the log is translated as far as it is known', () => {
  expect(logText('Paused.', zhCN)).toBe('已暂停。');
  expect(logText('Failed. example.org answered 404.', zhCN)).toBe(
    '失败。 example.org answered 404.',
  );
  expect(logText('Something new.', zhCN)).toBe('Something new.');
});
