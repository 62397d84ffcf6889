import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { Candidate, DownloadDetails, DownloadRow, HelpState, PeerRow } from '../types';
import { initial, peerColour } from './colours';
import {
  ableOf,
  answersOf,
  anybodyThere,
  dotOf,
  hostsOf,
  inOrderOfArrival,
  offerOf,
  PENDING_S,
  promptOf,
  proposedOf,
  shortId,
  tickedOf,
} from './together';

const request = (id: string) => ({
  id,
  peer: id,
  name: id,
  friend: true,
  mode: 'relay' as const,
  origins: ['https://example.org'],
  fileName: null,
  sizeBytes: null,
  budgetBytes: 1,
  expiresInS: 60,
});
const candidate = (peer: string, more: Partial<Candidate> = {}): Candidate => ({
  peer,
  name: peer,
  friend: true,
  lending: true,
  proposed: true,
  mode: 'relay',
  relays: true,
  fetches: true,
  state: null,
  ...more,
});
const source = (peer: string) => ({
  kind: peer === '' ? ('origin' as const) : ('helper' as const),
  mode: peer === '' ? null : ('relay' as const),
  peer,
  name: peer,
  bytes: 1,
  bytesPerS: 1,
  connections: 1,
});
const row = (peers: string[], help: [string, HelpState][] = []) =>
  ({
    sources: ['', ...peers].map(source),
    help: help.map(([peer, state]) => ({ peer, name: peer, state, reason: null })),
  }) as DownloadRow;
const details = (candidates: Candidate[], help: [string, HelpState][] = []) =>
  ({ candidates, row: row([], help) }) as DownloadDetails;

test('the banner asks about the first request, and about none on the page of requests', () => {
  const requests = [request('a'), request('b')];
  expect(promptOf(requests, 'downloads', null)?.id).toBe('a');
  expect(promptOf(requests, 'requests', null)).toBeNull();
  expect(promptOf([], 'downloads', 'a')).toBeNull();
});

test('a request that comes before the shown one does not take its place', () => {
  expect(promptOf([request('new'), request('a')], 'friends', 'a')?.id).toBe('a');
  expect(promptOf([request('new')], 'friends', 'a')?.id).toBe('new');
});

test('requests stand in the order in which they came', () => {
  const ids = (requests: readonly { id: string }[]) => requests.map(({ id }) => id);
  const [a, b, c] = [request('a'), request('b'), request('c')];
  expect(ids(inOrderOfArrival([b, a], []))).toEqual(['b', 'a']);
  expect(ids(inOrderOfArrival([c, a, b], [a, b]))).toEqual(['a', 'b', 'c']);
  expect(ids(inOrderOfArrival([c, b], [a, b]))).toEqual(['b', 'c']);
  // What is shown of them is what is true now.
  const later = { ...a, expiresInS: 3 };
  expect(inOrderOfArrival([later], [a])).toEqual([later]);
});

test('help is offered while somebody could be asked and nobody was', () => {
  const able = [candidate('mo'), candidate('ana'), candidate('kim', { friend: false })];
  expect(offerOf(details(able))).toEqual({ friends: 2, others: 1 });
  expect(offerOf(details(able, [['mo', 'declined']]))).toBeNull();
  expect(offerOf(details([candidate('tal', { proposed: false })]))).toBeNull();
  expect(offerOf(details([]))).toBeNull();
});

test('friends whom the rules would ask are ticked, strangers never, who does not lend can never be', () => {
  const all = [
    candidate('mo'),
    candidate('kim', { friend: false, proposed: false }),
    candidate('eve', { friend: false, proposed: true }),
    candidate('tal', { lending: false, proposed: false }),
  ];
  expect([...proposedOf(all, 'auto')]).toEqual(['mo']);
  const [mo] = all.filter(({ peer }) => peer === 'mo');
  const carrying = all.map((one) => (one === mo ? { ...one, relays: true } : one));
  expect([...proposedOf(carrying, 'fetch')]).toEqual([]);
  expect(
    tickedOf(ableOf(all, 'auto'), new Set(['tal', 'kim', 'gone'])).map(({ peer }) => peer),
  ).toEqual(['kim']);
});

test('the dot beside a peer has its colour in the selected download', () => {
  const peer = { peer: 'mo' } as PeerRow;
  expect(dotOf(peer, null)).toBe('var(--good)');
  expect(dotOf(peer, row(['ana', 'mo'], [['mo', 'accepted']]))).toBe('var(--source-2)');
  expect(dotOf(peer, row(['mo'], [['mo', 'ended']]))).toBe('var(--good)');
  expect(dotOf(peer, row(['ana']))).toBe('var(--good)');
});

test('answers are told of those who are not seen to help', () => {
  const asked = row(
    ['mo', 'ana'],
    [
      ['mo', 'accepted'],
      ['ana', 'ended'],
      ['wei', 'accepted'],
      ['kim', 'asked'],
      ['jo', 'expired'],
    ],
  );
  expect(answersOf(asked).map(({ peer }) => peer)).toEqual(['ana', 'wei', 'kim', 'jo']);
});

test('a network without anybody in it, and none at all', () => {
  expect(anybodyThere(null)).toBe(false);
  expect(shortId('kq7xv3mtz2hn')).toBe('kq7xv3mt');
});

test('hosts are typed one a line, or as they come', () => {
  expect(hostsOf(' jstor.org\n\nnature.com, acm.org ')).toEqual([
    'jstor.org',
    'nature.com',
    'acm.org',
  ]);
  expect(hostsOf(' \n')).toEqual([]);
});

test('patience is that of the protocol', () => {
  const wire = resolve(import.meta.dirname, '../../../crates/wire/src/lib.rs');
  const text = readFileSync(wire, 'utf8');
  const constant = (name: string) =>
    Number(new RegExp(`pub const ${name}: u16 = ([\\d_]+);`).exec(text)?.[1]?.replace(/_/g, ''));
  expect(PENDING_S).toBe(constant('PENDING_S'));
});

test.each([
  ['Mo', 'M'],
  ['伟 Wei', '伟'],
  ['élan', 'É'],
  ['<b>x', 'B'],
  ['"42"', '4'],
  ['…', '?'],
  ['', '?'],
])('the letter of %s is %s', (name, letter) => {
  expect(initial(name)).toBe(letter);
});

test('a peer keeps its colour, and never has yours', () => {
  const ids = Array.from({ length: 100 }, (_, i) => `peer-${i}`);
  const colours = ids.map(peerColour);
  expect(ids.map(peerColour)).toEqual(colours);
  expect(colours).not.toContain('var(--source-0)');
  expect(new Set(colours).size).toBe(7);
});

test('where one way of helping is wished, whoever cannot is not asked', () => {
  const all = [
    candidate('mo'),
    candidate('old', { mode: 'fetch', relays: false }),
    candidate('kim', { fetches: false }),
    candidate('tal', { mode: null, relays: false }),
  ];
  const asked = (wish: 'auto' | 'relay' | 'fetch') =>
    tickedOf(ableOf(all, wish), new Set(all.map(({ peer }) => peer))).map(({ peer, mode }) => [
      peer,
      mode,
    ]);
  expect(asked('auto')).toEqual([
    ['mo', 'relay'],
    ['old', 'fetch'],
    ['kim', 'relay'],
  ]);
  expect(asked('relay')).toEqual([
    ['mo', 'relay'],
    ['kim', 'relay'],
  ]);
  expect(asked('fetch')).toEqual([
    ['mo', 'fetch'],
    ['old', 'fetch'],
    ['tal', 'fetch'],
  ]);
});
