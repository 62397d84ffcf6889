import { expect, test } from 'vitest';
import type { PairingRow, PairingState } from '../types';
import { groupsOf, pairingOf } from './pairing';

const pairing = (id: string, state: PairingState): PairingRow => ({
  id,
  peer: id,
  name: id,
  incoming: true,
  code: '012345',
  state,
  expiresInS: 60,
});

test('the first that runs is shown, and none that ended before it was seen', () => {
  const rows = [pairing('old', 'paired'), pairing('a', 'compare'), pairing('b', 'compare')];
  expect(pairingOf(rows, null, [])?.id).toBe('a');
  expect(pairingOf(rows, null, ['a'])?.id).toBe('b');
  expect(pairingOf([pairing('old', 'cheated')], null, [])).toBeNull();
});

test('the one that is shown stays with its end, even when the engine has forgotten it', () => {
  const shown = pairing('a', 'compare');
  const ended = pairing('a', 'refused');
  expect(pairingOf([pairing('b', 'compare'), ended], shown, [])).toBe(ended);
  expect(pairingOf([], ended, [])).toBe(ended);
  // Without an end there is nothing to be said of it.
  expect(pairingOf([], shown, [])).toBeNull();
});

test('six digits are two groups', () => {
  expect(groupsOf('012345')).toEqual(['012', '345']);
});
