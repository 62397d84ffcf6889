// eslint-disable-next-line no-restricted-imports -- the other end of the one file that imports Tauri
import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { desktop } from './desktop';

afterEach(clearMocks);

test('of lending the shell is told what changes, and nothing else', async () => {
  const told: unknown[] = [];
  mockIPC((command, parameters) => {
    told.push([command, parameters]);
  });
  await desktop.setLending({ on: false });
  expect(told).toEqual([['set_lending', { change: { on: false } }]]);
});

test('what the page asks is what the shell answers, and what it may ask', () => {
  const read = (path: string) =>
    readFileSync(resolve(import.meta.dirname, '../../..', path), 'utf8');
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, it]) => it);
  const asked = all(read('ui/src/backend/desktop.ts'), /invoke(?:<[^>]+>)?\(\s*'(\w+)'/g).sort();
  expect(asked.length).toBeGreaterThan(25);
  expect(all(read('src-tauri/build.rs'), /^ {4}"(\w+)",$/gm)).toEqual(asked);
  expect(all(read('src-tauri/src/lib.rs'), /commands::(\w+),/g)).toEqual(asked);
  const allowed = all(read('src-tauri/capabilities/main.json'), /"allow-([\w-]+)"/g);
  expect(allowed.map((name) => name?.replace(/-/g, '_'))).toEqual(asked);
});
