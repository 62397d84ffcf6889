import { fireEvent, screen, waitFor, within } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { MockBackend, type MockWorld } from './backend/mock';
import { en } from './i18n/en';
import { beginAnew, click, gone, openPage, press as answer, shown, viewOf } from './testing';

let engine: MockBackend;

const people = [
  { peer: 'mo', name: 'Mo', friend: true, bringsBytesPerS: 10_000_000 },
  { peer: 'kim', name: 'Kim' },
  { peer: 'tal', name: 'Tal', lending: false },
];
const asks = (peer: string, more = {}) => ({
  peer,
  origins: ['https://ftp.example.org'],
  fileName: 'debian-13.iso',
  sizeBytes: 3_900_000_000,
  budgetBytes: 500_000_000,
  ...more,
});
const big = {
  name: 'big.iso',
  host: 'example.org',
  total: 4_000_000_000,
  sources: [{ name: 'example.org', bytesPerS: 1_000_000, joinsMs: 0 }],
};
const lending = { on: true };

async function open(world: MockWorld = {}): Promise<void> {
  engine = new MockBackend({ peers: people, ...world });
  await openPage(engine);
}

const press = (key: string, more = {}) => fireEvent.keyDown(document.body, { key, ...more });
const names = () => screen.getAllByTestId('request').map((card) => card.dataset['peerName']);
const together = async () => (await viewOf(engine)).together;

beginAnew();

test('a request is asked about wherever one is, and the answer goes to the engine', async () => {
  await open({ lending, requests: [asks('mo'), asks('kim')] });
  const decide = vi.spyOn(engine, 'decide');
  const prompt = await shown('prompt');
  expect(prompt.dataset['peerName']).toBe('Mo');
  expect(prompt.textContent).toContain('debian-13.iso');
  expect(prompt.textContent).toContain('from ftp.example.org');
  expect(prompt.textContent).toContain('up to 500 MB of your line');
  expect(prompt.textContent).toContain(en.requests.address(1));
  expect(prompt.textContent).toContain(en.modeAsks.relay);
  expect(prompt.contains(document.activeElement)).toBe(false);
  within(prompt).getByText(en.requests.more(1));
  const button = within(prompt).getByTestId('request-accept');
  await answer('request-accept');
  expect(decide).toHaveBeenCalledWith('request-1', { kind: 'help' });
  await waitFor(() => expect(screen.getByTestId('prompt').dataset['peerName']).toBe('Kim'));
  // The second half of a double click, and the focus that stayed behind, are none of Kim's.
  expect(screen.getByTestId('request-accept')).not.toBe(button);
  await fireEvent.click(screen.getByTestId('request-accept'));
  expect(decide).toHaveBeenCalledTimes(1);
  expect(screen.getByTestId('prompt').textContent).toContain(en.requests.befriends('Kim'));
  await answer('request-decline');
  expect(decide).toHaveBeenLastCalledWith('request-2', { kind: 'not_now' });
  await gone('prompt');
  expect((await together())?.helping.map(({ name }) => name)).toEqual(['Mo']);
});

test('the page of requests has them all and no banner; a stranger is called one', async () => {
  await open({ lending, requests: [asks('mo'), asks('kim')] });
  await shown('prompt');
  expect(screen.getByTestId('go-requests').textContent).toContain('2');
  await click('prompt-more');
  await shown('page-requests');
  await gone('prompt');
  const [first, second] = screen.getAllByTestId('request');
  expect(first?.dataset['peerName']).toBe('Mo');
  expect(first?.textContent).toContain(en.requests.friend);
  expect(second?.textContent).toContain(en.requests.stranger);
  // Strangers do not tell the name.
  expect(second?.textContent).toContain(en.requests.unnamed);
  expect(second?.textContent).not.toContain('debian-13.iso');
});

test('a friend who comes later stands below, and a card that moved up waits before it is pressed', async () => {
  const later = { afterMs: 1000 };
  await open({ lending, requests: [asks('kim'), asks('tal'), asks('mo', later)] });
  const decide = vi.spyOn(engine, 'decide');
  await click('go-requests');
  await shown('page-requests');
  expect(screen.getByRole('status', { name: '' }).textContent).toBe(en.requests.waiting(2));
  engine.advance(1100);
  await waitFor(() => expect(names()).toEqual(['Kim', 'Tal', 'Mo']));
  // The engine names friends first.
  expect((await together())?.requests[0]?.name).toBe('Mo');
  const [kim, tal] = screen.getAllByTestId('request') as [HTMLElement, HTMLElement];
  const press = within(tal).getByTestId('request-accept');
  await waitFor(() => expect(press.getAttribute('aria-disabled')).toBe('false'), {
    timeout: 5000,
  });
  within(kim).getByTestId('request-decline').focus();
  await answer('request-decline', `[data-id="${kim.dataset['id']}"]`);
  expect(document.activeElement?.tagName).toBe('H1');
  await waitFor(() => expect(names()).toEqual(['Tal', 'Mo']));
  await fireEvent.click(press);
  expect(decide.mock.calls).toEqual([[kim.dataset['id'], { kind: 'not_now' }]]);
  await answer('request-accept', `[data-id="${tal.dataset['id']}"]`);
  expect(decide).toHaveBeenLastCalledWith(tal.dataset['id'], { kind: 'help' });
});

test('the keyboard goes to the heading when the request that it was on is over', async () => {
  await open({ lending, requests: [asks('mo'), asks('kim', { afterMs: 1000 })] });
  await click('go-requests');
  engine.advance(1100);
  await waitFor(() => expect(names()).toEqual(['Mo', 'Kim']));
  within(screen.getAllByTestId('request')[0] as HTMLElement)
    .getByTestId('request-accept')
    .focus();
  engine.advance(59_500);
  await waitFor(() => expect(names()).toEqual(['Kim']));
  expect(document.activeElement?.textContent).toBe(en.requests.title);
});

test.each(['friends', 'all'] as const)(
  'nobody is told to decide about each: %s',
  async (accept) => {
    await open({ lending: { on: true, accept } });
    await click('go-requests');
    const page = await shown('page-requests');
    expect(page.textContent).toContain(en.acceptHelp[accept]);
    expect(page.textContent).not.toMatch(/you decide/i);
    await click('lending-switch');
    await waitFor(() => screen.getByText(en.requests.offText(en.acceptHelp[accept])));
    expect(page.textContent).not.toMatch(/you decide/i);
  },
);

test('a switch changes itself alone, whatever else the engine has meanwhile', async () => {
  await open({ lending });
  const set = vi.spyOn(engine, 'setLending');
  await shown('lending-switch');
  await click('settings');
  await fireEvent.click(screen.getByLabelText(en.lending.choices.all));
  await click('lending-private');
  await click('settings-lending');
  await click('go-requests');
  await click('switch-lending-on');
  const lend = screen.getByTestId('lending-switch');
  await waitFor(() => expect(lend.getAttribute('aria-checked')).toBe('true'));
  await fireEvent.click(lend);
  expect(set.mock.calls).toEqual([
    [{ accept: 'all' }],
    [{ allowPrivateOrigins: true }],
    [{ on: false }],
    [{ on: true }],
    [{ on: false }],
  ]);
});

test('a request that is over meanwhile is told', async () => {
  await open({ lending, requests: [asks('mo')] });
  await shown('prompt');
  vi.spyOn(engine, 'decide').mockResolvedValue(false);
  await answer('request-accept');
  await waitFor(() => screen.getByText(en.requests.over));
});

test('without lending the page of requests offers to switch it on', async () => {
  await open();
  await click('go-requests');
  await waitFor(() => screen.getByText(en.requests.offText(en.acceptHelp.ask)));
  await click('switch-lending-on');
  await click('lend-confirm');
  await waitFor(() => screen.getByText(en.requests.emptyTitle));
  const lend = screen.getByTestId('lending-switch');
  await waitFor(() => expect(lend.getAttribute('aria-checked')).toBe('true'));
  await fireEvent.click(lend);
  await waitFor(() => screen.getByText(en.requests.offText(en.acceptHelp.ask)));
  expect((await together())?.lending.on).toBe(false);
});

test('helping can be stopped, and says that nothing is stored', async () => {
  await open({ lending, requests: [asks('mo', { sentBytes: 100_000_000 })] });
  await click('go-helping');
  const session = await shown('helping');
  expect(session.textContent).toContain('100 MB of at most 500 MB');
  screen.getByText(en.helping.nothingStored);
  await click('helping-stop');
  await waitFor(() => screen.getByText(en.helping.emptyTitle));
});

test('friends are listed with what can be said of them', async () => {
  await open({ peers: [...people, { peer: 'jo', name: 'Jo', friend: true, online: false }] });
  await click('go-friends');
  await waitFor(() => expect(screen.getAllByTestId('peer')).toHaveLength(4));
  const of = (name: string) =>
    screen.getAllByTestId('peer').find((row) => row.dataset['name'] === name)?.textContent;
  expect(of('Mo')).toContain(en.friends.friend);
  expect(of('Mo')).toContain('10.42.3.17:26269');
  expect(of('Kim')).toContain(en.friends.stranger);
  expect(of('Tal')).toContain(en.friends.doesNotLend);
  expect(of('Jo')).toContain(en.friends.isOffline);
  expect(screen.getByTestId('this-device').textContent).toContain('Lin');
});

test('where nobody is, it is said how others are found', async () => {
  await open({ peers: [], port: 40_123 });
  await click('go-friends');
  await waitFor(() => screen.getByText(en.friends.emptyTitle));
  screen.getByText(en.friends.check.firewall(40_123));
});

test('names of others are text, whatever they hold', async () => {
  const name = '<img src=x onerror=alert(1)>';
  await open({
    peers: [{ peer: 'evil', name, friend: true }],
    lending,
    requests: [asks('evil', { fileName: '<b>file</b>' })],
  });
  const prompt = await shown('prompt');
  expect(prompt.textContent).toContain(name);
  expect(prompt.textContent).toContain('<b>file</b>');
  await click('go-friends');
  await shown('peer');
  await click('go-requests');
  await shown('request');
  expect(document.querySelector('img, article b')).toBeNull();
});

test('whoever is ticked is asked, helps after a moment, and is seen to', async () => {
  await open({ downloads: [big] });
  engine.advance(2000);
  const button = await shown('ask-friends');
  expect(button).toHaveProperty('disabled', true);
  await press('Home');
  await shown('help-offer');
  await waitFor(() => expect(button).toHaveProperty('disabled', false));
  const ask = vi.spyOn(engine, 'ask');
  await press('h', { ctrlKey: true });
  await shown('ask-dialog');
  const box = (name: string) =>
    screen
      .getAllByTestId<HTMLInputElement>('candidate')
      .find((input) => input.dataset['name'] === name);
  expect([box('Mo')?.checked, box('Kim')?.checked, box('Tal')?.checked]).toEqual([
    true,
    false,
    false,
  ]);
  expect(box('Tal')?.disabled).toBe(true);
  expect(screen.queryByTestId('ask-strangers')).toBeNull();
  await fireEvent.click(box('Kim') as HTMLInputElement);
  expect(screen.getByTestId('ask-strangers').textContent).toContain(en.ask.strangersCarry('Kim'));
  await click('ask-submit');
  expect(ask).toHaveBeenCalledWith(1, { who: 'mo,kim', waitS: 0, mode: 'auto' });
  await gone('ask-dialog');
  await gone('help-offer');
  await waitFor(() =>
    expect(screen.getAllByTestId('help-answer').map((row) => row.dataset['state'])).toEqual([
      'asked',
      'asked',
    ]),
  );
  engine.advance(5000);
  await waitFor(() =>
    expect(screen.getAllByTestId('source').map((row) => row.dataset['name'])).toEqual([
      'example.org',
      'Mo',
      'Kim',
    ]),
  );
  expect(screen.queryByTestId('help-answers')).toBeNull();
  expect(screen.getByTestId('online-now').textContent).toMatch(/Mo\s*\d/);
});

test('who is to be asked is asked about the download that was shown, or not at all', async () => {
  await open({ downloads: [big, { ...big, name: 'other.iso' }] });
  engine.advance(2000);
  const button = await shown('ask-friends');
  await press('Home');
  await shown('help-offer');
  await waitFor(() => expect(button).toHaveProperty('disabled', false));
  button.focus();
  await fireEvent.click(button);
  await shown('ask-dialog');
  await engine.remove(1);
  await gone('ask-dialog');
  expect(document.activeElement).toBe(button);
  await press('Home');
  await waitFor(() => expect(screen.getByTestId('ask-friends')).toHaveProperty('disabled', false));
  expect(screen.queryByTestId('ask-dialog')).toBeNull();
  await press('2', { ctrlKey: true });
  await shown('page-friends');
});

test('new downloads ask whom the dialog says; it is remembered', async () => {
  await open();
  const add = vi.spyOn(engine, 'add');
  await click('add-url');
  await fireEvent.click(screen.getByLabelText(en.asks.everyone));
  await fireEvent.input(screen.getByLabelText(en.add.links), {
    target: { value: 'http://example.org/x.iso' },
  });
  await fireEvent.submit(screen.getByTestId('add-form'));
  await gone('add-form');
  expect(add.mock.calls[0]?.[0].ask).toEqual({ who: 'everyone', waitS: 60 });
  expect(localStorage.getItem('manyhands.choices')).toContain('everyone');
  expect(screen.queryByText(en.notices.nobodyThere)).toBeNull();
});

test('to ask where nobody is there is told', async () => {
  localStorage.setItem('manyhands.choices', JSON.stringify({ language: 'en', ask: 'friends' }));
  await open({ peers: [] });
  await click('add-url');
  await fireEvent.input(screen.getByLabelText(en.add.links), {
    target: { value: 'http://example.org/x.iso' },
  });
  await fireEvent.submit(screen.getByTestId('add-form'));
  await waitFor(() => screen.getByText(en.notices.nobodyThere));
});

test('closing without a tray asks first', async () => {
  await open({ lending, requests: [asks('mo', { sentBytes: 1 })] });
  engine.say('close_asked');
  const dialog = await shown('quit-dialog');
  await waitFor(() => expect(dialog.textContent).toContain(en.quit.helping(1)));
  await click('quit-cancel');
  await gone('quit-dialog');
  expect(engine.hasQuit).toBe(false);
  engine.say('close_asked');
  await click('quit-confirm');
  expect(engine.hasQuit).toBe(true);
});

test('a clicked notification leads to the requests, past any dialog', async () => {
  await open({ lending, requests: [asks('mo')] });
  await click('settings');
  engine.say('show_requests');
  await shown('page-requests');
  expect(screen.queryByText(en.settings.appearance)).toBeNull();
});

test('without a network it works alone, and says why', async () => {
  const taken = { what: 'port-taken', parts: { address: '0.0.0.0:26269' } };
  const networkFailure = { code: 'cannot-connect', message: 'in use', hint: '', ...taken };
  await open({ networkFailure, peers: [] });
  const why = 'Another program listens on 0.0.0.0:26269 already.';
  await waitFor(() => screen.getByText(en.notices.aloneText(why)));
  expect(screen.getByTestId('alone').textContent).toContain(why);
  for (const name of ['go-friends', 'lending-switch', 'ask-friends', 'online-now']) {
    expect(screen.queryByTestId(name)).toBeNull();
  }
  await press('2', { ctrlKey: true });
  expect(screen.queryByTestId('page-friends')).toBeNull();
  await click('add-url');
  expect(screen.queryByTestId('add-ask')).toBeNull();
});

test('digits go to the places, arrows from entry to entry', async () => {
  await open();
  await shown('go-friends');
  for (const [digit, place] of [
    ['2', 'page-friends'],
    ['3', 'page-requests'],
    ['4', 'page-helping'],
  ] as const) {
    await press(digit, { ctrlKey: true });
    await shown(place);
  }
  await press('1', { ctrlKey: true });
  await gone('page-helping');
  screen.getByTestId('filter-done').focus();
  await fireEvent.keyDown(document.activeElement as HTMLElement, { key: 'ArrowDown' });
  expect(document.activeElement).toBe(screen.getByTestId('go-friends'));
  await fireEvent.keyDown(document.activeElement as HTMLElement, { key: 'ArrowUp' });
  expect(document.activeElement).toBe(screen.getByTestId('filter-done'));
});

test('the shell is told which language is spoken, at the start and at each change', async () => {
  await open();
  await waitFor(() => expect(engine.spoken).toEqual(['en']));
  await click('settings');
  await fireEvent.click(screen.getByLabelText('简体中文'));
  await waitFor(() => expect(engine.spoken).toEqual(['en', 'zh-CN']));
});

test('how others are helped is chosen in the settings', async () => {
  await open({ lending });
  await shown('lending-switch');
  await click('settings');
  await fireEvent.click(screen.getByLabelText(en.lending.choices.friends));
  await waitFor(() => screen.getByText(en.acceptHelp.friends));
  await click('lending-private');
  await waitFor(async () =>
    expect((await together())?.lending).toMatchObject({
      on: true,
      accept: 'friends',
      allowPrivateOrigins: true,
    }),
  );
});
