/**
 * What the one window knows, and every word between it and the engine. What is shown is decided by pure functions beside
 * this file; parts of the page get data from here and say what the user wants.
 */
import { asFailure, type Backend } from '../backend';
import { failureText, t } from '../i18n/index.svelte';
import type { Action, DownloadRow, LendingChange, News, Query, RequestRow } from '../types';
import { type Choices, keepChoices, readChoices } from './choices';
import { downloadsOf, emptyDraft, type Outcome, rest, withLinks } from './draft';
import { apply, emptyPage, type PageEvent, type Place, queryOf, rowAt, selectedRow } from './page';
import { Poll } from './poll';
import { anybodyThere, inOrderOfArrival, promptOf } from './together';

const NOBODY = { all: 0, active: 0, queued: 0, done: 0 };

export type OpenDialog =
  | { kind: 'add' }
  | { kind: 'settings' }
  | { kind: 'remove'; row: DownloadRow }
  | { kind: 'ask'; id: number }
  | { kind: 'quit' };

export interface Told {
  title: string;
  text: string;
  /** Stays until it is closed. */
  forGood: boolean;
}

export class Session {
  page = $state.raw(emptyPage);
  choices = $state.raw<Choices>(readChoices(localStorage));
  draft = $state.raw(emptyDraft(''));
  dialog = $state.raw<OpenDialog | null>(null);
  notice = $state.raw<Told | null>(null);
  /** The help request that the banner asks about. */
  prompt = $state.raw<RequestRow | null>(null);
  /** In the order in which they came, so that none moves another down. */
  requests = $state.raw<readonly RequestRow[]>([]);
  /** Why others cannot be met. */
  networkFailure = $state.raw<string | null>(null);
  /** A row that is to be brought into sight, perhaps only once it has arrived. */
  toReveal = $state.raw<{ index: number; whenThere: boolean } | null>(null);

  readonly view = $derived(this.page.view);
  readonly counts = $derived(this.view?.counts ?? NOBODY);
  readonly together = $derived(this.view?.together ?? null);
  readonly details = $derived(
    this.view?.details && this.view.details.id === this.page.selected?.id
      ? this.view.details
      : null,
  );
  readonly selectedRow = $derived(selectedRow(this.page));
  /** Who could be asked for help with what is shown; nobody while something else is shown. */
  readonly candidates = $derived(
    this.page.place === 'downloads' ? (this.details?.candidates ?? []) : [],
  );

  readonly #backend: Backend;
  readonly #poll: Poll<Query, Awaited<ReturnType<Backend['view']>>>;
  #downloadDir = '';

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#poll = new Poll({
      ask: (query) => backend.view(query),
      question: () => queryOf(this.page),
      answered: (query, view) => this.tell({ kind: 'view-arrived', query, view }),
      failed: () => this.say(t().notices.lost, '', true),
    });
  }

  async begin(): Promise<void> {
    try {
      const welcome = await this.#backend.welcome();
      this.#downloadDir = welcome.downloadDir;
      this.draft = { ...this.draft, dir: welcome.downloadDir };
      this.networkFailure = welcome.networkFailure;
      if (welcome.networkFailure !== null) {
        this.say(t().notices.alone, t().notices.aloneText(welcome.networkFailure));
      }
      // What was lost matters more than who is missing.
      if (welcome.recovered !== null) this.say(welcome.recovered, '', true);
      await this.#backend.watch((news) => this.#hear(news));
    } catch (error) {
      this.#sayFailure(error);
    }
    this.#poll.changed();
  }

  #hear(news: News): void {
    switch (news) {
      case 'changed':
        return this.#poll.changed();
      case 'close_asked':
        this.dialog = { kind: 'quit' };
        return;
      case 'show_requests':
        this.dialog = null;
        return this.go('requests');
    }
  }

  set hidden(hidden: boolean) {
    this.#poll.hidden = hidden;
  }

  tell(event: PageEvent): void {
    const before = JSON.stringify(queryOf(this.page));
    this.page = apply(this.page, event);
    const requests = this.together?.requests ?? [];
    this.requests = inOrderOfArrival(requests, this.requests);
    this.prompt = promptOf(requests, this.page.place, this.prompt?.id ?? null);
    // Whoever is about to be asked was chosen for one download: with another one there is nothing left to ask.
    if (this.dialog?.kind === 'ask' && this.details?.id !== this.dialog.id) this.dialog = null;
    if (JSON.stringify(queryOf(this.page)) !== before) this.#poll.changed();
  }

  go(place: Place): void {
    this.tell({ kind: 'place-chosen', place });
  }

  /** Moves the selection by keys, and the list with it. */
  move(event: PageEvent): void {
    this.tell(event);
    const index = this.page.wantedIndex ?? this.page.selected?.index;
    if (index !== undefined) this.toReveal = { index, whenThere: false };
  }

  choose(part: Partial<Choices>): void {
    this.choices = { ...this.choices, ...part };
    keepChoices(localStorage, this.choices);
  }

  say(title: string, text = '', forGood = false): void {
    this.notice = { title, text, forGood };
  }

  #sayFailure(error: unknown): void {
    const text = failureText(asFailure(error));
    this.say(text.title, text.hint);
  }

  async #attempt(doing: Promise<unknown>): Promise<void> {
    try {
      await doing;
    } catch (error) {
      this.#sayFailure(error);
    }
    this.#poll.changed();
  }

  act(row: DownloadRow, action: Action): void {
    if (!row.actions.includes(action)) return;
    switch (action) {
      case 'pause':
        return void this.#attempt(this.#backend.pause(row.id));
      case 'resume':
        return void this.#attempt(this.#backend.resume(row.id));
      case 'open_folder':
        return void this.#backend
          .openFolder(row.id)
          .catch((error: unknown) => this.say(t().notices.cannotShow, asFailure(error).message));
      case 'remove':
        // A finished file stays where it is; what an unfinished one has is lost.
        if (row.state === 'completed' || row.bytes === 0) return this.remove(row);
        this.dialog = { kind: 'remove', row };
    }
  }

  remove(row: DownloadRow): void {
    this.dialog = null;
    void this.#attempt(this.#backend.remove(row.id));
  }

  pauseAll(): void {
    void this.#attempt(this.#backend.pauseAll());
  }

  resumeAll(): void {
    void this.#attempt(this.#backend.resumeAll());
  }

  openAdd(links: string[] = []): void {
    this.draft = withLinks(this.draft, links);
    this.dialog = { kind: 'add' };
  }

  async submit(): Promise<Outcome> {
    const outcome: Outcome = { added: [], refused: [] };
    const index = this.counts.all;
    const ask = this.together ? this.choices.ask : 'none';
    // One after the other, so that the list keeps the order in which the links were given.
    for (const download of downloadsOf(this.draft, ask)) {
      try {
        outcome.added.push(await this.#backend.add(download));
      } catch (error) {
        outcome.refused.push({ download, failure: asFailure(error) });
      }
    }
    const [first] = outcome.added;
    if (outcome.refused.length > 0) {
      this.draft = rest(this.draft, outcome);
    } else {
      const { dir, connections } = this.draft;
      this.draft = { ...emptyDraft(this.#downloadDir), dir, connections };
      this.dialog = null;
    }
    if (first !== undefined) {
      this.toReveal = { index, whenThere: true };
      this.tell({ kind: 'added', id: first, index });
      if (ask !== 'none' && !anybodyThere(this.together)) {
        this.say(t().notices.nobodyThere, t().notices.nobodyThereText);
      }
    }
    this.#poll.changed();
    return outcome;
  }

  async browse(): Promise<void> {
    try {
      const picked = await this.#backend.pickFolder(this.draft.dir);
      if (picked !== null) this.draft = { ...this.draft, dir: picked };
    } catch (error) {
      this.#sayFailure(error);
    }
  }

  openAsk(): void {
    if (!this.details || this.candidates.length === 0) return;
    this.dialog = { kind: 'ask', id: this.details.id };
  }

  /** Asks these peers for help with the selected download. */
  async ask(id: number, peers: string[]): Promise<void> {
    this.dialog = null;
    if (peers.length === 0) return this.say(t().notices.nobodyAsked);
    await this.#attempt(this.#backend.ask(id, { who: peers.join(','), waitS: 0 }));
  }

  async decide(id: string, accept: boolean): Promise<void> {
    await this.#attempt(
      this.#backend.decide(id, accept).then((waited) => {
        if (!waited) this.say(t().requests.over);
      }),
    );
  }

  stopHelping(id: string): void {
    void this.#attempt(this.#backend.stopHelping(id));
  }

  setLending(change: LendingChange): void {
    void this.#attempt(this.#backend.setLending(change));
  }

  quit(): void {
    this.dialog = null;
    void this.#attempt(this.#backend.quit());
  }

  /** Whether the row that is to be brought into sight is there. */
  get revealable(): boolean {
    const { toReveal } = this;
    return (
      toReveal !== null && (!toReveal.whenThere || rowAt(this.page, toReveal.index) !== undefined)
    );
  }
}
