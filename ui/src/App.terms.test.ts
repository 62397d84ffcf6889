/** Help always, block, rules, terms of lending and pairing, as they are clicked. */
import { fireEvent, screen, waitFor, within } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { MockBackend, type MockWorld } from './backend/mock';
import { en } from './i18n/en';
import { beginAnew, click, gone, openPage, press, shown, type, viewOf } from './testing';
import type { PairingState } from './types';

const GB = 1_000_000_000;
let engine: MockBackend;

const people = [
  { peer: 'mo', name: 'Mo', friend: true },
  { peer: 'kim', name: 'Kim' },
];
const asks = (peer: string) => ({
  peer,
  origins: ['https://ftp.example.org'],
  fileName: 'debian-13.iso',
  sizeBytes: 3_900_000_000,
  budgetBytes: 500_000_000,
});
const lending = { on: true, dailyBytes: 10 * GB, bytesPerS: 12_500_000 };

async function open(world: MockWorld = {}): Promise<void> {
  engine = new MockBackend({ peers: people, lending, ...world });
  await openPage(engine);
}

const together = async () => (await viewOf(engine)).together;
/** Opens what can be done about somebody, and picks. */
async function pick(name: string, key: keyof typeof en.friends.menu): Promise<void> {
  await click('go-friends');
  await waitFor(() => within(row(name)).getByTestId('peer-more'));
  await fireEvent.click(within(row(name)).getByTestId('peer-more'));
  await click(`menu-${key}`);
}
function row(name: string): HTMLElement {
  const found = screen.getAllByTestId('peer').find((peer) => peer.dataset['name'] === name);
  return found ?? expect.fail(`${name} is not shown`);
}

beginAnew();

test('help always shows terms that can be changed, and what stands there is what is said', async () => {
  await open({ requests: [asks('kim')] });
  const decide = vi.spyOn(engine, 'decide');
  await press('request-always');
  const dialog = await shown('rule-dialog');
  expect(dialog.textContent).toContain(en.rules.thisToo);
  expect(dialog.textContent).toContain(en.requests.befriends('Kim'));
  expect(dialog.textContent).toContain('up to 10.0 GB a day, at most 12.5 MB/s');
  expect(screen.getByTestId<HTMLInputElement>('terms-daily').value).toBe('5');
  expect(screen.getByTestId<HTMLInputElement>('terms-rate').value).toBe('');
  await type('terms-daily', '2,5');
  await type('terms-rate', 'fast');
  await shown('terms-problem');
  expect(screen.getByTestId('rule-save')).toHaveProperty('disabled', true);
  await type('terms-rate', '4');
  await fireEvent.click(screen.getByTestId('terms-limited'));
  // Nothing counts before the buttons have stood still.
  expect(decide).not.toHaveBeenCalled();
  await press('rule-save');
  const hours = { fromMinute: 1320, toMinute: 480 };
  const terms = { dailyBytes: 2.5 * GB, bytesPerS: 4_000_000, hours };
  expect(decide.mock.calls).toEqual([['request-1', { kind: 'help_always', terms }]]);
  await gone('rule-dialog');
  expect((await together())?.rules).toMatchObject([{ peer: 'kim', ...terms }]);
  expect((await together())?.helping).toHaveLength(1);
});

test('a request that goes away takes its dialog with it: nothing is left to consent to', async () => {
  await open({ requests: [asks('mo')] });
  await press('request-always');
  await shown('rule-dialog');
  engine.advance(61_000);
  await gone('rule-dialog');
  await waitFor(() => screen.getByText(en.requests.over));
  expect((await together())?.rules).toEqual([]);
});

test('block asks once more, and the way back has the keyboard', async () => {
  await open({ requests: [asks('kim')] });
  await press('request-block');
  await shown('block');
  expect((await together())?.blocked).toEqual([]);
  await click('block-cancel');
  await gone('block');
  expect((await together())?.requests).toHaveLength(1);
  await press('request-block');
  await click('block-confirm');
  await gone('prompt');
  expect((await together())?.blocked).toEqual([{ peer: 'kim', name: 'Kim' }]);
});

test('a request that is over meanwhile does not keep its device from being blocked', async () => {
  await open({ requests: [asks('kim')] });
  await press('request-block');
  engine.advance(61_000);
  await gone('prompt');
  await click('block-confirm');
  await waitFor(async () => expect((await together())?.blocked).toHaveLength(1));
});

test('rules are made, changed and removed in the list of friends', async () => {
  await open();
  await pick('Mo', 'always');
  const save = await shown('rule-save');
  expect(save.closest('dialog')?.textContent).not.toContain(en.rules.thisToo);
  await press('rule-save');
  await waitFor(() => expect(row('Mo').textContent).toContain(en.friends.ruled));
  await pick('Mo', 'rule');
  await type('terms-daily', '');
  await press('rule-save');
  await waitFor(async () => expect((await together())?.rules[0]?.dailyBytes).toBe(0));
  await pick('Mo', 'unrule');
  await waitFor(() => expect(row('Mo').textContent).not.toContain(en.friends.ruled));
});

test('a friend is removed, and a device blocked, only when it is said again', async () => {
  await open();
  await pick('Mo', 'remove');
  await click('remove-friend-cancel');
  expect((await together())?.peers.find(({ peer }) => peer === 'mo')?.friend).toBe(true);
  await pick('Mo', 'remove');
  await click('remove-friend-confirm');
  await waitFor(() => expect(row('Mo').textContent).toContain(en.friends.stranger));
  await pick('Kim', 'block');
  await click('block-confirm');
  await waitFor(() => expect(screen.getAllByTestId('peer')).toHaveLength(1));
});

test('rules and blocked devices are listed with what was lent today', async () => {
  await open({
    rules: [
      { peer: 'mo', terms: { dailyBytes: GB, bytesPerS: 0, hours: null }, lentTodayBytes: 7_000 },
    ],
    blocked: [{ peer: 'eve', name: 'Eve' }],
    lentTodayBytes: 2_000_000,
  });
  await click('go-friends');
  await fireEvent.click(await waitFor(() => screen.getByLabelText(`${en.rules.tab} · 2`)));
  const rules = await shown('rules');
  expect(rules.textContent).toContain(en.rules.today('2.0 MB'));
  const rule = screen.getByTestId('rule');
  expect(rule.textContent).toContain('up to 1.0 GB a day');
  expect(rule.textContent).toContain(en.rules.today('7.0 kB'));
  await fireEvent.click(within(rule).getByTestId('rule-remove'));
  await gone('rule');
  await click('unblock');
  await gone('blocked');
  expect((await together())?.blocked).toEqual([]);
});

test('lending is switched on for the first time with terms that are shown, later at once', async () => {
  await open({ lending: { on: false } });
  const set = vi.spyOn(engine, 'setLending');
  await click('lending-switch');
  await shown('lend-dialog');
  expect(screen.getByTestId<HTMLInputElement>('terms-daily').value).toBe('10');
  expect(screen.getByTestId<HTMLInputElement>('terms-rate').value).toBe('12.5');
  expect(set).not.toHaveBeenCalled();
  await type('terms-daily', '3');
  await click('lend-confirm');
  const first = { on: true, dailyBytes: 3 * GB, bytesPerS: 12_500_000 };
  expect(set.mock.calls).toEqual([[first]]);
  await waitFor(() =>
    expect(localStorage.getItem('manyhands.choices')).toContain('"hasLent":true'),
  );
  await click('lending-switch');
  await waitFor(async () => expect((await together())?.lending.on).toBe(false));
  await click('lending-switch');
  expect(set.mock.calls.slice(1)).toEqual([[{ on: false }], [{ on: true }]]);
});

test('from the settings the first terms lead back to the settings', async () => {
  await open({ lending: { on: false } });
  await click('settings');
  await click('settings-lending');
  await shown('lend-dialog');
  await click('lend-confirm');
  await gone('lend-dialog');
  await shown('settings-lending');
});

test('a changed field of the settings changes itself alone', async () => {
  await open();
  const set = vi.spyOn(engine, 'setLending');
  await click('settings');
  await type('terms-daily', '4');
  await waitFor(async () => expect((await together())?.lending.dailyBytes).toBe(4 * GB));
  await type('terms-rate', 'x');
  await shown('terms-problem');
  await type('terms-rate', '');
  await click('terms-limited');
  await waitFor(async () => expect((await together())?.lending.hours?.fromMinute).toBe(1320));
  await click('terms-limited');
  await waitFor(async () => expect((await together())?.lending.hours).toBeNull());
  expect(set.mock.calls).toEqual([
    [{ dailyBytes: 4 * GB }],
    [{ bytesPerS: 0 }],
    [{ hours: { fromMinute: 1320, toMinute: 480 } }],
    [{ hours: { fromMinute: 0, toMinute: 0 } }],
  ]);
});

test('hosts never lent for are saved as a whole or not at all, and nothing comes back by itself', async () => {
  await open({ neverHosts: ['jstor.org'] });
  await click('settings');
  expect((await shown('never-hosts')) as HTMLTextAreaElement).toHaveProperty('value', 'jstor.org');
  await type('never-hosts', 'jstor.org\nno_host!');
  await click('never-save');
  expect((await shown('never-problem')).textContent).toContain('no_host!');
  expect((await together())?.neverHosts).toEqual(['jstor.org']);
  expect(screen.getByTestId('never-hosts')).toHaveProperty('value', 'jstor.org\nno_host!');
  await type('never-hosts', '');
  await click('never-save');
  await gone('never-save');
  expect((await together())?.neverHosts).toEqual([]);
});

test('both say that the digits are the same, and are paired', async () => {
  await open();
  await pick('Kim', 'pair');
  await shown('pairing-dialog');
  expect(screen.getByTestId('pairing').dataset['state']).toBe('connecting');
  engine.advance(1000);
  await shown('pairing-same');
  expect(screen.getByTestId('pairing-code').textContent).toMatch(/\d{3}\s*\d{3}$/);
  expect(document.activeElement).toBe(screen.getByTestId('pairing-not-same'));
  await press('pairing-same');
  await waitFor(() => screen.getByText(en.pairingStates.waiting_for_other.title('Kim')));
  engine.advance(3000);
  await waitFor(() => screen.getByText(en.pairingStates.paired.text('Kim')));
  await press('pairing-close');
  await gone('pairing-dialog');
  await waitFor(() => within(row('Kim')).getByTestId('paired'));
});

test.each<[PairingState, number]>([
  ['refused', 3000],
  ['cheated', 3000],
  ['failed', 3000],
  ['expired', 62_000],
])('it is said what it means that a pairing is %s', async (pairs, ms) => {
  await open({ peers: [{ peer: 'kim', name: 'Kim', pairs }] });
  await pick('Kim', 'pair');
  engine.advance(1000);
  if (pairs === 'refused' || pairs === 'expired') {
    await press('pairing-same');
    await waitFor(() => screen.getByText(en.pairingStates.waiting_for_other.title('Kim')));
  }
  engine.advance(ms);
  await waitFor(() => screen.getByText(en.pairingStates[pairs].text('Kim')));
  expect((await together())?.peers[0]?.paired).toBe(false);
  // Once it is gone from the engine it stays until it is closed, and does not come back.
  engine.advance(130_000);
  screen.getByText(en.pairingStates[pairs].text('Kim'));
  await press('pairing-close');
  await gone('pairing-dialog');
});

test('a pairing that comes in takes no press that was meant for something else', async () => {
  await open({ pairings: [{ peer: 'kim', afterMs: 1000 }] });
  const answer = vi.spyOn(engine, 'answerPairing');
  await click('add-url');
  engine.advance(1100);
  await shown('pairing-dialog');
  screen.getByText(en.pairing.begins('Kim'));
  await fireEvent.click(screen.getByTestId('pairing-same'));
  await fireEvent.click(screen.getByTestId('pairing-not-same'));
  await fireEvent(screen.getByTestId('pairing-dialog'), new Event('cancel', { cancelable: true }));
  expect(answer).not.toHaveBeenCalled();
  await press('pairing-not-same');
  expect(answer.mock.calls).toEqual([['pairing-1', false]]);
  await waitFor(() => screen.getByText(en.pairingStates.refused.title('Kim')));
  await press('pairing-close');
  await gone('pairing-dialog');
  screen.getByTestId('add-form');
});

test('to put a running pairing away is no', async () => {
  await open({ pairings: [{ peer: 'kim' }] });
  await shown('pairing-same');
  const close = screen.getByLabelText(en.notices.close);
  await waitFor(() =>
    expect(screen.getByTestId('pairing-same').getAttribute('aria-disabled')).toBe('false'),
  );
  await fireEvent.click(close);
  await gone('pairing-dialog');
  expect((await together())?.pairings[0]?.state).toBe('refused');
});

test('somebody who is not in the list is paired with by address, or it is said why not', async () => {
  await open();
  await click('go-friends');
  await click('pair-with');
  await type('pair-who', '192.0.2.1');
  await fireEvent.submit(document.getElementById('pair') as HTMLElement);
  expect((await shown('pair-problem')).textContent).toContain('192.0.2.1');
  await type('pair-who', '10.42.3.18');
  await fireEvent.submit(document.getElementById('pair') as HTMLElement);
  await shown('pairing-dialog');
  await gone('pair-dialog');
});

test('a friend in whose place another device answers is warned of', async () => {
  await open({ peers: [{ peer: 'mo', name: 'Mo', friend: true, otherKey: true, paired: true }] });
  await click('go-friends');
  expect((await shown('other-key')).textContent).toContain(en.friends.otherKey('Mo'));
});

test('why somebody does not help any more is said under the name', async () => {
  await open({
    peers: [
      { peer: 'mo', name: 'Mo', friend: true, reason: 'no_gain' },
      { peer: 'ana', name: 'Ana', friend: true, reason: 'mismatch' },
      { peer: 'wei', name: 'Wei', friend: true, answer: 'decline', reason: 'host' },
    ],
    downloads: [
      {
        name: 'big.iso',
        host: 'example.org',
        total: 4 * GB,
        sources: [{ name: 'example.org', bytesPerS: 1_000_000, joinsMs: 0 }],
      },
    ],
  });
  engine.advance(2000);
  await engine.ask(1, { who: 'friends', waitS: 0 });
  engine.advance(12_000);
  await fireEvent.keyDown(document.body, { key: 'Home' });
  await waitFor(() => expect(screen.getAllByTestId('help-reason')).toHaveLength(3));
  const said = (name: string) =>
    screen.getAllByTestId('help-answer').find((answer) => answer.dataset['name'] === name)
      ?.textContent;
  expect(said('Mo')).toContain(en.helpReasons.no_gain);
  expect(said('Ana')).toContain(en.helpReasons.mismatch);
  expect(said('Wei')).toContain(en.helpReasons.host);
});
