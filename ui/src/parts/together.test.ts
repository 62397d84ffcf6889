import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { en } from '../i18n/en';
import { speech } from '../i18n/index.svelte';
import type { Candidate, GroupRow } from '../types';
import Answers from './Answers.svelte';
import AskDialog from './AskDialog.svelte';
import GroupCard from './GroupCard.svelte';
import PairingDialog from './PairingDialog.svelte';
import QuitDialog from './QuitDialog.svelte';
import RequestCard from './RequestCard.svelte';

beforeEach(() => {
  vi.useFakeTimers();
  speech.choice = 'en';
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

function pass(ms: number): void {
  vi.advanceTimersByTime(ms);
  flushSync();
}

test('an answer counts once its buttons have stood still, and once only', async () => {
  const onanswer = vi.fn();
  const { rerender } = render(Answers, { place: 1, onanswer });
  const help = screen.getByTestId('request-accept');
  pass(590);
  await fireEvent.click(help);
  expect(onanswer).not.toHaveBeenCalled();
  pass(20);
  await rerender({ place: 0, onanswer });
  await fireEvent.click(help);
  await fireEvent.click(screen.getByTestId('request-decline'));
  expect(onanswer).not.toHaveBeenCalled();
  pass(610);
  expect(help.getAttribute('aria-disabled')).toBe('false');
  await fireEvent.click(help);
  await fireEvent.click(help);
  expect(onanswer.mock.calls).toEqual([['help']]);
  // There may have been no room: then it can be said again.
  pass(610);
  await fireEvent.click(help);
  expect(onanswer).toHaveBeenCalledTimes(2);
});

test.each([true, false])('what help makes of the requester is said of strangers: %s', (friend) => {
  const request = {
    id: 'a',
    peer: 'kim',
    name: 'Kim',
    friend,
    mode: 'fetch' as const,
    origins: ['https://example.org'],
    fileName: null,
    sizeBytes: null,
    budgetBytes: 1,
    expiresInS: 60,
  };
  render(RequestCard, { request, place: 0, onanswer: vi.fn() });
  expect(screen.queryByText(en.requests.befriends('Kim')) === null).toBe(friend);
});

test('who was declined often can be seen to be a nuisance', () => {
  const request = {
    id: 'a',
    peer: 'kim',
    name: 'Kim',
    friend: false,
    mode: 'relay' as const,
    origins: ['https://example.org'],
    fileName: null,
    sizeBytes: null,
    budgetBytes: 1,
    expiresInS: 60,
    offerBlock: true,
  };
  render(RequestCard, { request, place: 0, onanswer: vi.fn() });
  expect(screen.getByTestId('offer-block').textContent).toBe(en.requests.offerBlock);
});

test('a stranger is asked by the own tick alone, and then what follows is said', async () => {
  const candidate = (name: string, friend: boolean): Candidate => ({
    peer: name.toLowerCase(),
    name,
    friend,
    lending: true,
    proposed: true,
    mode: 'fetch',
    relays: false,
    fetches: true,
    state: null,
  });
  const onask = vi.fn();
  const candidates = [candidate('Mo', true), candidate('Kim', false)];
  render(AskDialog, { name: 'big.iso', candidates, onask, onclose: vi.fn() });
  const [mo, kim] = screen.getAllByTestId<HTMLInputElement>('candidate');
  expect([mo?.checked, kim?.checked]).toEqual([true, false]);
  await fireEvent.click(kim as HTMLInputElement);
  expect(screen.getByTestId('ask-strangers').textContent).toContain(en.ask.strangers('Kim'));
  await fireEvent.click(screen.getByTestId('ask-submit'));
  expect(onask).toHaveBeenCalledWith(['mo', 'kim'], 'auto');
});

test('how they are to help is asked only of whoever wants to know, and what follows is said', async () => {
  const candidate = (name: string, more: Partial<Candidate>): Candidate => ({
    peer: name.toLowerCase(),
    name,
    friend: true,
    lending: true,
    proposed: true,
    mode: 'relay',
    relays: true,
    fetches: true,
    state: null,
    ...more,
  });
  const onask = vi.fn();
  const candidates = [candidate('Mo', {}), candidate('Old', { mode: 'fetch', relays: false })];
  render(AskDialog, { name: 'big.iso', candidates, onask, onclose: vi.fn() });
  expect(screen.queryByText(en.helpWishHelp.auto)).toBeNull();
  await fireEvent.click(screen.getByTestId('ask-how'));
  screen.getByText(en.helpWishHelp.auto);
  await fireEvent.click(screen.getByLabelText(en.helpWishes.relay));
  screen.getByText(en.helpWishHelp.relay);
  const [mo, old] = screen.getAllByTestId<HTMLInputElement>('candidate');
  expect([mo?.checked, mo?.disabled, old?.checked, old?.disabled]).toEqual([
    true,
    false,
    false,
    true,
  ]);
  screen.getByText(en.ask.notSo);
  await fireEvent.click(screen.getByTestId('ask-submit'));
  expect(onask).toHaveBeenCalledWith(['mo'], 'relay');
});

test('a dialog gives the focus back', () => {
  const field = document.createElement('input');
  document.body.append(field);
  field.focus();
  const { unmount } = render(QuitDialog, { helping: 0, onconfirm: vi.fn(), onclose: vi.fn() });
  screen.getByTestId('quit-cancel').focus();
  expect(document.activeElement).not.toBe(field);
  unmount();
  expect(document.activeElement).toBe(field);
  field.remove();
});

test('what only goes on does not keep the buttons of a pairing deaf; what is typed meanwhile does', async () => {
  const onanswer = vi.fn();
  const row = (expiresInS: number) => ({
    id: 'a',
    peer: 'kim',
    name: 'Kim',
    incoming: true,
    code: '012345',
    state: 'compare' as const,
    expiresInS,
  });
  const rest = { onanswer, onagain: vi.fn(), onclose: vi.fn() };
  const { rerender } = render(PairingDialog, { pairing: row(60), ...rest });
  const notSame = screen.getByTestId('pairing-not-same');
  pass(500);
  await fireEvent.keyDown(notSame, { key: 'x' });
  pass(300);
  await fireEvent.click(notSame);
  expect(onanswer).not.toHaveBeenCalled();
  pass(300);
  await rerender({ pairing: row(59), ...rest });
  pass(310);
  await fireEvent.click(notSame);
  expect(onanswer.mock.calls).toEqual([[false]]);
});

test('a group says it where its server could not call this device, and where it is one too many', async () => {
  const group: GroupRow = {
    group: 'g',
    name: 'Dorm 7',
    server: 'https://a.example:8470',
    serverId: 'id',
    state: { state: 'online' },
    callable: { callable: 'no', port: 26_270 },
    listed: 1,
    reached: 0,
    members: [],
  };
  const props = {
    peers: [],
    port: 26_270,
    oninvite: vi.fn(),
    onsettings: vi.fn(),
    onmenu: vi.fn(),
  };
  const { rerender } = render(GroupCard, { group, ...props });
  expect(screen.getByTestId('not-callable').textContent).toContain('TCP port 26270');
  for (const callable of ['yes', 'unknown'] as const) {
    await rerender({ group: { ...group, callable: { callable } }, ...props });
    expect(screen.queryByTestId('not-callable')).toBeNull();
  }
  const state = { state: 'trouble', why: 'too_many', retryInS: 0 } as const;
  await rerender({ group: { ...group, callable: { callable: 'unknown' }, state }, ...props });
  const told = screen.getByTestId('server-trouble').textContent;
  expect(told).toContain(en.serverTroubles.too_many.title);
  expect(told).not.toContain(en.groups.retryNow);
});
