import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { MockBackend, type MockDownload } from './backend/mock';
import { en } from './i18n/en';
import { beginAnew, openPage, viewOf } from './testing';

let engine: MockBackend;

async function open(downloads: MockDownload[] = []): Promise<void> {
  engine = new MockBackend({ downloads });
  await openPage(engine);
}

const field = (name: string) => screen.getByLabelText<HTMLInputElement>(name);
const type = (name: string, value: string) => fireEvent.input(field(name), { target: { value } });
const submit = () => fireEvent.submit(screen.getByTestId('add-form'));
const all = async () => (await viewOf(engine)).rows;

beginAnew();

async function openAdd(): Promise<void> {
  await waitFor(() => screen.getByTestId('empty'));
  await fireEvent.click(screen.getByTestId('add-url'));
}

test('an empty list invites', async () => {
  await open();
  await waitFor(() => screen.getByText(en.empty.title));
  expect(screen.queryByTestId('pause-all')).toBeNull();
});

test('links that are typed are added in their order, to the folder that is given', async () => {
  await open();
  await openAdd();
  expect(field(en.add.folder).value).toBe('/home/lin/Downloads');
  await type(en.add.links, 'https://a.example.org/1.zip\nhttps://a.example.org/2.zip');
  await submit();
  await waitFor(() => expect(screen.queryByTestId('add-form')).toBeNull());
  expect((await all()).map((row) => row.name)).toEqual(['1.zip', '2.zip']);
});

test('nothing is asked of the engine while a line is no link', async () => {
  await open();
  await openAdd();
  await type(en.add.links, 'https://a.example.org/1.zip\nnonsense');
  expect(screen.queryByText(en.add.badLine(2, 'nonsense'))).toBeNull();
  await submit();
  screen.getByText(en.add.badLine(2, 'nonsense'));
  expect(await all()).toEqual([]);
});

test('what the engine refuses is told in place, and nothing that was typed is lost', async () => {
  await open();
  await openAdd();
  await type(en.add.links, 'https://a.example.org/1.zip');
  await fireEvent.click(screen.getByText(en.add.more));
  await type(en.add.sha256, 'abc');
  await type(en.add.name, 'one.zip');
  await submit();
  await waitFor(() => screen.getByTestId('add-refused'));
  screen.getByText(en.failures['bad-digest'].hint);
  expect(field(en.add.links).value).toBe('https://a.example.org/1.zip');
  expect(field(en.add.name).value).toBe('one.zip');
  expect(await all()).toEqual([]);
  await type(en.add.sha256, 'ab'.repeat(32));
  await submit();
  await waitFor(() => expect(screen.queryByTestId('add-form')).toBeNull());
  expect((await all()).map((row) => row.name)).toEqual(['one.zip']);
});

test('a closed dialog keeps what was typed', async () => {
  await open();
  await openAdd();
  await type(en.add.links, 'https://a.example.org/half');
  await fireEvent.click(screen.getByText(en.add.cancel));
  expect(screen.queryByTestId('add-form')).toBeNull();
  await fireEvent.keyDown(window, { key: 'n', ctrlKey: true });
  expect(field(en.add.links).value).toBe('https://a.example.org/half');
});

function data(texts: Record<string, string>): DataTransfer {
  return {
    types: Object.keys(texts),
    getData: (kind: string) => texts[kind] ?? '',
  } as unknown as DataTransfer;
}

test('a pasted link opens the dialog filled in; other text is told', async () => {
  await open();
  await waitFor(() => screen.getByTestId('empty'));
  await fireEvent.paste(document.body, { clipboardData: data({ 'text/plain': 'just words' }) });
  screen.getByText(en.notices.noLinks);
  await fireEvent.paste(document.body, {
    clipboardData: data({ 'text/plain': 'see https://a.example.org/x.iso' }),
  });
  expect(field(en.add.links).value).toBe('https://a.example.org/x.iso');
});

test('dropped links open the dialog filled in', async () => {
  await open();
  await waitFor(() => screen.getByTestId('empty'));
  const dataTransfer = data({
    'text/uri-list': 'https://a.example.org/1\r\nhttps://a.example.org/2',
  });
  const over = new Event('dragover', { bubbles: true, cancelable: true });
  Object.assign(over, { dataTransfer });
  document.body.dispatchEvent(over);
  expect(over.defaultPrevented).toBe(true);
  const drop = new Event('drop', { bubbles: true, cancelable: true });
  Object.assign(drop, { dataTransfer });
  document.body.dispatchEvent(drop);
  await waitFor(() =>
    expect(field(en.add.links).value).toBe('https://a.example.org/1\nhttps://a.example.org/2'),
  );
});

test('the buttons for all downloads are there when they can do something', async () => {
  await open([
    {
      name: 'a.bin',
      host: 'example.org',
      total: 1000,
      sources: [{ name: 'example.org', bytesPerS: 10, joinsMs: 0 }],
    },
  ]);
  await fireEvent.click(await waitFor(() => screen.getByTestId('pause-all')));
  await fireEvent.click(await waitFor(() => screen.getByTestId('resume-all')));
  await waitFor(() => screen.getByTestId('pause-all'));
  expect((await all())[0]?.state).toBe('connecting');
});

test('the language is switched at once and remembered', async () => {
  await open();
  await waitFor(() => screen.getByTestId('empty'));
  await fireEvent.click(screen.getByTestId('settings'));
  await fireEvent.click(screen.getByLabelText('简体中文'));
  await waitFor(() => screen.getByText('粘贴链接即可开始'));
  expect(document.documentElement.lang).toBe('zh-CN');
  expect(localStorage.getItem('manyhands.choices')).toContain('zh-CN');
});

test('an engine that does not answer is told', async () => {
  engine = new MockBackend();
  engine.view = () => Promise.reject(new Error('gone'));
  await openPage(engine);
  await waitFor(() => screen.getByText(en.notices.lost));
});
