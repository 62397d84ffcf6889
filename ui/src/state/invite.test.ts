import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import {
  GROUP_NAME_CHARS,
  inviteIn,
  isInvite,
  isPlain,
  MAX_INVITE_BYTES,
  readInvite,
  readServer,
  RENDEZVOUS_PORT,
  serverOf,
} from './invite';

const id = 'k7qxv3mtz2hnd4bwyr6fjcs5pa7elguo3kq7xv3mtz2hnd4bwyrq';
const fields = {
  v: '1',
  s: 'https://a.example:8470',
  id,
  k: 'AAECAwQFBgcICQoLDA0ODw',
  n: 'Dorm 7',
};
const link = (change: Record<string, string> = {}) =>
  `manyhands://join?${new URLSearchParams({ ...fields, ...change })}`;
const nameOf = (n: string) => {
  const read = readInvite(link({ n }));
  return typeof read === 'string' ? read : read.name;
};

test('an invite says what one would join', () => {
  expect(readInvite(` ${link()}\n`)).toEqual({
    link: link(),
    name: 'Dorm 7',
    server: 'https://a.example:8470',
    serverId: id,
  });
  expect(readInvite(link({ ca: '1', id: id.toUpperCase() }))).toMatchObject({ serverId: id });
});

test.each([
  ['', 'no-invite'],
  ['https://a.example', 'no-invite'],
  [link().replace('join', 'leave'), 'no-invite'],
  [link().replace('&k=', '&l='), 'no-invite'],
  [`${link()}&k=AAECAwQFBgcICQoLDA0ODw`, 'no-invite'],
  [`${link()}&s=https%3A%2F%2Fevil.example`, 'no-invite'],
  [link({ k: 'AAECAwQFBgcICQoLDA0ODx' }), 'no-invite'],
  [link({ n: 'a'.repeat(MAX_INVITE_BYTES) }), 'no-invite'],
  [link({ v: '2' }), 'later-version'],
  [link({ id: 'a' }), 'bad-server'],
  [link({ id: id.replace(/q$/, 'b') }), 'bad-server'],
  [link({ s: 'ftp://a.example' }), 'bad-server'],
  [link({ s: 'https://u@a.example' }), 'bad-server'],
  [link({ ca: 'yes' }), 'bad-server'],
])('%s is none: %s', (text, why) => {
  expect(readInvite(text)).toBe(why);
});

test('the name of a group cannot disturb what stands around it', () => {
  expect(nameOf('Dorm\u202e 7\n– 北楼\u0007')).toBe('Dorm 7 – 北楼');
  expect(nameOf('\u200b \u3164')).toBe('');
  expect([...nameOf('𝔸'.repeat(60))]).toHaveLength(GROUP_NAME_CHARS);
});

test.each([
  ['https://a.example', 'https://a.example:8470'],
  [' https://a.example:443/ ', 'https://a.example:443'],
  ['HTTP://[FD00::1]', 'http://[fd00::1]:8470'],
  ['http://10.0.0.1:80', 'http://10.0.0.1:80'],
  ['', null],
  ['a.example', null],
  ['https://', null],
  ['https://u:p@a.example', null],
  ['https://a.example/x', null],
  ['https://a.example?x', null],
  ['https://a.example:99999', null],
])('the server %s is written %s', (typed, written) => {
  expect(readServer(typed)).toBe(written);
});

test('what is typed without a scheme is meant to be encrypted', () => {
  expect(serverOf(' a.example:9000 ')).toBe('https://a.example:9000');
  expect(serverOf('http://a.example')).toBe('http://a.example');
  expect(serverOf(' ')).toBe('');
  expect([isPlain('HTTP://a'), isPlain('https://a')]).toEqual([true, false]);
});

test('an invite is found in prose, and told from one that stands alone', () => {
  expect(inviteIn(`Come: <${link()}>. Lin`)).toBe(link());
  expect(inviteIn(`加入“${link()}”。`)).toBe(link());
  expect(inviteIn('manyhands://leave?x')).toBeNull();
  expect([isInvite(` ${link()} `), isInvite(`Come: ${link()}`), isInvite('')]).toEqual([
    true,
    false,
    false,
  ]);
});

test('the bounds are those of the protocol', () => {
  const wire = (file: string) =>
    readFileSync(resolve(import.meta.dirname, '../../../crates/wire/src', file), 'utf8');
  const constant = (text: string, name: string) =>
    Number(new RegExp(`const ${name}: \\w+ = ([\\d_]+);`).exec(text)?.[1]?.replace(/_/g, ''));
  const invite = wire('invite.rs');
  expect(MAX_INVITE_BYTES).toBe(constant(invite, 'MAX_INVITE_BYTES'));
  expect(GROUP_NAME_CHARS).toBe(constant(invite, 'GROUP_NAME_CHARS'));
  expect(RENDEZVOUS_PORT).toBe(constant(wire('rendezvous.rs'), 'RENDEZVOUS_PORT'));
});
