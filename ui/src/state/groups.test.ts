import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { GroupRow, MemberRow, NoWay, PeerRow } from '../types';
import { DEFAULT_PORT, groupsOf, inFours, portOf, portsOf, standingOf, whyNobody } from './groups';

const member = (peer: string, reach: MemberRow['reach']): MemberRow => ({
  peer,
  name: peer,
  friend: false,
  reach,
});
const reached = (peer: string) => member(peer, { reach: 'reached', address: '10.0.0.1:1' });
const out = (peer: string, why: NoWay) => member(peer, { reach: 'no', why });
const group = (state: GroupRow['state'], members: MemberRow[] = []): GroupRow => ({
  group: 'g',
  name: 'Dorm 7',
  server: 'https://a.example:8470',
  serverId: 'id',
  state,
  callable: { callable: 'unknown' },
  listed: members.length,
  reached: 0,
  members,
});

test('whoever is reached stands first; the others stand together with those who are out for the same reason', () => {
  const members = [
    reached('ana'),
    out('kim', 'no_answer'),
    member('lab', { reach: 'ringing' }),
    out('sam', 'refused'),
    reached('wei'),
    out('priya', 'no_answer'),
    member('tal', { reach: 'trying' }),
    member('eva', { reach: 'listed' }),
    member('zoe', { reach: 'called' }),
  ];
  const { there, out: none } = standingOf(members);
  expect(there.map(({ peer }) => peer)).toEqual(['ana', 'wei', 'zoe', 'lab', 'tal', 'eva']);
  expect(none.map(({ why, members }) => [why, ...members.map(({ peer }) => peer)])).toEqual([
    ['no_answer', 'kim', 'priya'],
    ['refused', 'sam'],
  ]);
  expect(standingOf([])).toEqual({ there: [], out: [] });
});

test('the port that is to be let through is the one that they listen on, as far as it is known', () => {
  const peer = (peer: string, ...addresses: string[]) => ({ peer, addresses }) as PeerRow;
  const peers = [
    peer('kim', '10.0.0.2:31200', '[fd00::2]:31200'),
    peer('sam', '10.0.0.3:26269'),
    peer('eve', '10.0.0.4:9'),
  ];
  expect(portsOf([{ peer: 'sam' }, { peer: 'kim' }], peers)).toBe('26269, 31200');
  expect(portsOf([{ peer: 'unknown' }], peers)).toBe(String(DEFAULT_PORT));
  expect(portOf('https://a.example:8470')).toBe(8470);
  expect(portOf('fd00::2')).toBe(2);
  expect(portOf('a.example')).toBeNull();
});

test('an id is compared in fours', () => {
  expect(inFours('abcdefghij')).toEqual(['abcd', 'efgh', 'ij']);
  expect(inFours('')).toEqual([]);
});

test('where somebody is listed is known by the group', () => {
  expect(groupsOf([{ by: 'lan' }, { by: 'group', name: 'Dorm 7' }, { by: 'known' }])).toEqual([
    'Dorm 7',
  ]);
});

const online = group({ state: 'online' });
const connecting = group({ state: 'connecting' });
const listed = group({ state: 'online' }, [out('kim', 'no_answer')]);
const trouble = group({ state: 'trouble', why: 'no_answer', retryInS: 1 });
test.each([
  ['routers', 'automatic', []],
  ['routers', 'lan_only', []],
  ['server-only', 'server_only', []],
  ['lan-only', 'lan_only', [online]],
  ['listed', 'automatic', [online, trouble]],
  ['listed-only', 'server_only', [online]],
  ['trouble', 'automatic', [trouble]],
  ['connecting', 'automatic', [connecting, online]],
  ['connecting', 'server_only', [connecting, trouble]],
  ['unreached', 'automatic', [connecting, online, listed]],
  ['unreached', 'server_only', [listed]],
] as const)('nobody is there: %s', (why, meeting, groups) => {
  expect(whyNobody({ meeting, groups: [...groups] })).toBe(why);
});

test('the usual port is that of the protocol', () => {
  const wire = resolve(import.meta.dirname, '../../../crates/wire/src/lib.rs');
  const [, port] = /const DEFAULT_PORT: u16 = ([\d_]+);/.exec(readFileSync(wire, 'utf8')) ?? [];
  expect(DEFAULT_PORT).toBe(Number(port?.replace(/_/g, '')));
});
