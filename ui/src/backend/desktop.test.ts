// eslint-disable-next-line no-restricted-imports -- the other end of the one file that imports Tauri
import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
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
