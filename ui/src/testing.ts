/** What the tests of the whole page have in common. */
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect } from 'vitest';
import App from './App.svelte';
import type { MockBackend } from './backend/mock';
import type { View } from './types';

/** A button that lets a press count only after a moment does so within this time. */
const SETTLES = { timeout: 5000 };

/** Each test begins with a page that speaks English and remembers nothing. */
export function beginAnew(): void {
  beforeEach(() => {
    localStorage.clear();
    localStorage.setItem('manyhands.choices', JSON.stringify({ language: 'en' }));
  });
  afterEach(cleanup);
}

/** The page on a simulated engine. The list itself needs a layout: the window tests look at it. */
export async function openPage(engine: MockBackend): Promise<void> {
  render(App, { backend: engine });
  await shown('filter-all');
}

export const shown = (testid: string): Promise<HTMLElement> =>
  waitFor(() => screen.getByTestId(testid));
export const gone = (testid: string): Promise<void> =>
  waitFor(() => expect(screen.queryByTestId(testid)).toBeNull());
export const click = async (testid: string): Promise<void> => {
  await fireEvent.click(await shown(testid));
};

/** Presses a button as soon as a press on it counts, within what a selector finds if one is given. */
export async function press(testid: string, within = ''): Promise<void> {
  const selector = `${within} [data-testid=${testid}][aria-disabled=false]`;
  const button = await waitFor(
    () => document.querySelector(selector) ?? expect.fail(selector),
    SETTLES,
  );
  await fireEvent.click(button);
}

export async function type(testid: string, value: string): Promise<void> {
  const field = await shown(testid);
  await fireEvent.input(field, { target: { value } });
  await fireEvent.change(field);
}

/** All that the engine says now. */
export const viewOf = (engine: MockBackend): Promise<View> =>
  engine.view({
    filter: 'all',
    search: '',
    first: 0,
    count: 200,
    selected: null,
    peers: 10,
    members: true,
  });
