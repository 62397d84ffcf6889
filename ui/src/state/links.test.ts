import { expect, test } from 'vitest';
import { droppedLinks, isLink, linksIn, readLines } from './links';

test.each([
  ['https://example.org/a', true],
  ['FTP://example.org/a', true],
  ['http://[::1]:8080/', true],
  ['file:///etc/passwd', false],
  ['javascript:alert(1)', false],
  ['magnet:?xt=urn', false],
  ['https://', false],
  ['example.org/a', false],
])('%s is a link: %s', (text, is) => {
  expect(isLink(text)).toBe(is);
});

test('lines are links or told with their number', () => {
  expect(readLines('https://a.org/1\r\n\n  http://b.org/2  \nnonsense\nhttps://a.org/1')).toEqual({
    links: ['https://a.org/1', 'http://b.org/2'],
    bad: [{ line: 4, text: 'nonsense' }],
  });
});

test('links are found in prose', () => {
  expect(linksIn('See <https://a.org/1>, (http://b.org/x_(2)) and “that”.')).toEqual([
    'https://a.org/1',
    'http://b.org/x_(2',
  ]);
  expect(linksIn('nothing here')).toEqual([]);
});

test('a drop is read as a list of links, without its comments', () => {
  const drop = (types: Record<string, string>) => ({
    getData: (type: string) => types[type] ?? '',
  });
  expect(
    droppedLinks(drop({ 'text/uri-list': '# from a browser\r\nhttps://a.org/1\r\n' })),
  ).toEqual(['https://a.org/1']);
  expect(droppedLinks(drop({ 'text/plain': 'https://a.org/2' }))).toEqual(['https://a.org/2']);
  expect(droppedLinks(drop({ 'text/uri-list': 'file:///tmp/x' }))).toEqual([]);
});
