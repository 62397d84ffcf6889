import { expect, test } from 'vitest';
import { downloadsOf, emptyDraft, hasLogin, problemOf, rest, withLinks } from './draft';
import { MAX_LINKS } from './links';

const draft = (links: string, more = {}) => ({ ...emptyDraft('/tmp'), links, ...more });

test.each([
  ['', 'none'],
  ['https://a.org/1\nnonsense', 'bad-line'],
  [Array.from({ length: MAX_LINKS + 1 }, (_, i) => `https://a.org/${i}`).join('\n'), 'too-many'],
])('a draft that cannot be tried says why', (links, kind) => {
  expect(problemOf(draft(links))?.kind).toBe(kind);
});

test('a folder is a whole path', () => {
  expect(problemOf(draft('https://a.org/1', { dir: 'downloads' }))?.kind).toBe('relative');
  expect(problemOf(draft('https://a.org/1', { dir: 'C:\\Users' }))).toBeNull();
  expect(problemOf(draft('https://a.org/1', { dir: '' }))).toBeNull();
});

test('name and digest belong to a single link only', () => {
  const more = { name: ' x.iso ', sha256: 'ab' };
  expect(downloadsOf(draft('https://a.org/1', more), 'none')).toEqual([
    { url: 'https://a.org/1', dir: '/tmp', out: 'x.iso', sha256: 'ab', connections: 8 },
  ]);
  const two = downloadsOf(draft('https://a.org/1\nhttps://a.org/2', more), 'none');
  expect(two.map(({ out, sha256 }) => [out, sha256])).toEqual([
    [null, null],
    [null, null],
  ]);
});

test('what was refused stays, with everything else that was typed', () => {
  const before = draft('https://a.org/1\nhttps://a.org/2', { sha256: 'zz', connections: 3 });
  const [, second] = downloadsOf(before, 'none');
  if (!second) throw new Error('two downloads were expected');
  const failure = { code: 'bad-digest', message: '', hint: '' };
  expect(rest(before, { added: [1], refused: [{ download: second, failure }] })).toEqual({
    ...before,
    links: 'https://a.org/2',
  });
});

test('new links are put under those that are there, once', () => {
  expect(withLinks(draft(''), ['https://a.org/1']).links).toBe('https://a.org/1');
  expect(withLinks(draft('half typed'), ['https://a.org/1']).links).toBe(
    'half typed\nhttps://a.org/1',
  );
  expect(withLinks(draft('https://a.org/1\n'), ['https://a.org/1']).links).toBe('https://a.org/1');
});

test('whom to ask goes with every link', () => {
  const asked = downloadsOf(draft('https://a.org/1\nhttps://a.org/2'), 'friends');
  expect(asked.map(({ ask }) => ask)).toEqual([
    { who: 'friends', waitS: 60 },
    { who: 'friends', waitS: 60 },
  ]);
  expect(downloadsOf(draft('https://a.org/1'), 'none')[0]).not.toHaveProperty('ask');
});

test('headers go with the link that they are for', () => {
  const draft = {
    ...emptyDraft('/home/lin'),
    links: 'https://example.org/a',
    headers: 'Cookie: session=1; b=2\n\n X-Token : no',
  };
  expect(problemOf(draft)).toMatchObject({ field: 'headers', kind: 'bad-header', line: 3 });
  const good = { ...draft, headers: 'Cookie: session=1; b=2\n\nX-Token: yes ' };
  expect(problemOf(good)).toBeNull();
  expect(downloadsOf(good, 'none')[0]?.headers).toEqual(['Cookie: session=1; b=2', 'X-Token: yes']);
  expect(downloadsOf({ ...draft, headers: '' }, 'none')[0]).not.toHaveProperty('headers');
});

test('a cookie goes to one server', () => {
  const draft = { ...emptyDraft('/home/lin'), headers: 'Cookie: session=1' };
  const links = (...hosts: string[]) => hosts.map((host) => `https://${host}/f`).join('\n');
  expect(problemOf({ ...draft, links: links('a.org', 'b.org') })).toEqual({
    field: 'headers',
    kind: 'several-hosts',
  });
  expect(problemOf({ ...draft, links: `${links('a.org')}2\n${links('a.org')}` })).toBeNull();
});

test('a login in a link is seen', () => {
  expect(hasLogin('https://lin:secret@example.org/f')).toBe(true);
  expect(hasLogin('https://example.org/f@1')).toBe(false);
  expect(hasLogin('no link')).toBe(false);
});
