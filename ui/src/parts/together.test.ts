import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { en } from '../i18n/en';
import { speech } from '../i18n/index.svelte';
import type { Candidate } from '../types';
import Answers from './Answers.svelte';
import AskDialog from './AskDialog.svelte';
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
  const ondecide = vi.fn();
  const { rerender } = render(Answers, { place: 1, ondecide });
  const help = screen.getByTestId('request-accept');
  pass(590);
  await fireEvent.click(help);
  expect(ondecide).not.toHaveBeenCalled();
  pass(20);
  await rerender({ place: 0, ondecide });
  await fireEvent.click(help);
  await fireEvent.click(screen.getByTestId('request-decline'));
  expect(ondecide).not.toHaveBeenCalled();
  pass(610);
  expect(help.getAttribute('aria-disabled')).toBe('false');
  await fireEvent.click(help);
  await fireEvent.click(help);
  expect(ondecide.mock.calls).toEqual([[true]]);
  // There may have been no room: then it can be said again.
  pass(610);
  await fireEvent.click(help);
  expect(ondecide).toHaveBeenCalledTimes(2);
});

test.each([true, false])('what help makes of the requester is said of strangers: %s', (friend) => {
  const request = {
    id: 'a',
    peer: 'kim',
    name: 'Kim',
    friend,
    origins: ['https://example.org'],
    fileName: null,
    sizeBytes: null,
    budgetBytes: 1,
    expiresInS: 60,
  };
  render(RequestCard, { request, place: 0, ondecide: vi.fn() });
  expect(screen.queryByText(en.requests.befriends('Kim')) === null).toBe(friend);
});

test('a stranger is asked by the own tick alone, and then what follows is said', async () => {
  const candidate = (name: string, friend: boolean): Candidate => ({
    peer: name.toLowerCase(),
    name,
    friend,
    lending: true,
    proposed: true,
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
  expect(onask).toHaveBeenCalledWith(['mo', 'kim']);
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
