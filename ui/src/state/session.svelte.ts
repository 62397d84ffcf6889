/**
 * What the one window knows, and every word between it and the engine. What is shown is decided by pure functions beside
 * this file; parts of the page get data from here and say what the user wants.
 */
import { asFailure, type Backend } from '../backend';
import { f, failureText, sentenceText, t } from '../i18n/index.svelte';
import type {
  Action,
  Decision,
  DownloadRow,
  FailureView,
  InviteView,
  LendingChange,
  News,
  PairingRow,
  Query,
  Recovered,
  RequestRow,
  RuleTerms,
  ServerFound,
  Together,
} from '../types';
import { type Choices, keepChoices, readChoices } from './choices';
import { downloadsOf, emptyDraft, type Outcome, rest, withLinks } from './draft';
import { isInvite, readInvite } from './invite';
import { isLink } from './links';
import { isRunning, pairingOf } from './pairing';
import { apply, emptyPage, type PageEvent, type Place, queryOf, rowAt, selectedRow } from './page';
import { Poll } from './poll';
import { anybodyThere, type HelpWish, inOrderOfArrival, promptOf } from './together';

const NOBODY = { all: 0, active: 0, queued: 0, done: 0 };

export type OpenDialog =
  | { kind: 'add' }
  | { kind: 'settings' }
  /** Lending is to be switched on for the first time; then back to what was open. */
  | { kind: 'lend'; back: OpenDialog | null }
  /** Somebody is to be helped always; `request`: the one that waits, and is accepted with it. */
  | { kind: 'rule'; who: Somebody; request: string | null }
  | { kind: 'block'; who: Somebody; request: string | null }
  | { kind: 'remove-friend'; who: Somebody }
  | { kind: 'pair' }
  /** `invite`: what was pasted, or came from elsewhere; empty where it is still to be typed. */
  | { kind: 'join'; invite: string }
  | { kind: 'make-group' }
  | { kind: 'invite'; invite: InviteView }
  | { kind: 'leave-group'; group: SomeGroup }
  | { kind: 'rotate-group'; group: SomeGroup }
  | { kind: 'remove'; row: DownloadRow }
  | { kind: 'ask'; id: number }
  | { kind: 'quit' };

export interface Somebody {
  peer: string;
  name: string;
}

export interface SomeGroup {
  group: string;
  name: string;
}

/** What the page of friends shows. */
export type FriendsTab = 'people' | 'groups' | 'rules';

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
  friendsTab = $state.raw<FriendsTab>('people');
  /** The help request that the banner asks about. */
  prompt = $state.raw<RequestRow | null>(null);
  /** In the order in which they came, so that none moves another down. */
  requests = $state.raw<readonly RequestRow[]>([]);
  /** The pairing that the dialog is about. */
  pairing = $state.raw<PairingRow | null>(null);
  /** Why others cannot be met. */
  networkFailure = $state.raw<FailureView | null>(null);
  /** A row that is to be brought into sight, perhaps only once it has arrived; that of what was added, wherever it stands. */
  toReveal = $state.raw<{ index: number; whenThere: boolean } | 'added' | null>(null);

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
  /** Those that were put away. Of the pairings that the engine still shows, so that it stays short. */
  #closedPairings: readonly string[] = [];

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
        this.say(
          t().notices.alone,
          t().notices.aloneText(failureText(welcome.networkFailure).title),
        );
      }
      // What was lost matters more than who is missing.
      if (welcome.recovered !== null) this.#sayRecovered(welcome.recovered);
      await this.#backend.watch((news) => this.#hear(news));
    } catch (error) {
      this.#sayFailure(error);
    }
    this.#poll.changed();
    this.#hear('link_brought');
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
      case 'link_brought':
        return void this.#takeLink().catch((error: unknown) => this.#sayFailure(error));
    }
  }

  /** A link from outside, which anything may have sent: it is shown, and asked about. */
  async #takeLink(): Promise<void> {
    const link = await this.#backend.takeLink();
    if (link === null) return;
    if (isInvite(link)) this.openJoin(link);
    else if (isLink(link)) this.openAdd([link]);
    else this.say(t().notices.noLinkBrought);
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
    this.#seeToOthers();
    if (JSON.stringify(queryOf(this.page)) !== before) this.#poll.changed();
  }

  #seeToOthers(): void {
    const { together, dialog } = this;
    if (!together) return;
    const { pairings } = together;
    this.#closedPairings = this.#closedPairings.filter((id) =>
      pairings.some((row) => row.id === id),
    );
    this.pairing = pairingOf(pairings, this.pairing, this.#closedPairings);
    if (together.lending.on && !this.choices.hasLent) this.choose({ hasLent: true });
    // What was to be answered has gone: nothing is left to consent to.
    if (dialog?.kind !== 'rule' || dialog.request === null) return;
    if (together.requests.some(({ id }) => id === dialog.request)) return;
    this.dialog = null;
    this.say(t().requests.over);
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
    this.say(sentenceText(text), text.hint);
  }

  #sayRecovered({ downloads, setAside }: Recovered): void {
    const text = [t().notices.recoveredText(downloads, f().number(downloads))];
    if (setAside !== null) text.push(t().notices.recoveredAside(setAside));
    this.say(t().notices.recovered, text.join(t().gap), true);
  }

  async #attempt(doing: Promise<unknown>): Promise<void> {
    try {
      await doing;
    } catch (error) {
      this.#sayFailure(error);
    }
    this.#poll.changed();
  }

  /** @returns the failure, where it is shown beside what was typed */
  async #try(doing: Promise<unknown>): Promise<FailureView | null> {
    try {
      await doing;
      return null;
    } catch (error) {
      return asFailure(error);
    } finally {
      this.#poll.changed();
    }
  }

  act(row: DownloadRow, action: Action): void {
    if (!row.actions.includes(action)) return;
    switch (action) {
      case 'pause':
        return void this.#attempt(this.#backend.pause(row.id));
      case 'resume':
        return void this.#attempt(this.#backend.resume(row.id));
      case 'open_folder':
        return void this.#backend.openFolder(row.id).catch((error: unknown) => {
          const { title, detail } = failureText(asFailure(error));
          this.say(t().notices.cannotShow, detail === null ? title : `“${detail}”`);
        });
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

  /** A link that wants a login is added again, with its cookie. */
  addWithLogin(link: string): void {
    this.draft = { ...emptyDraft(this.#downloadDir), links: link, headers: 'Cookie: ' };
    this.dialog = { kind: 'add' };
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
      this.toReveal = 'added';
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
  async ask(id: number, peers: string[], mode: HelpWish): Promise<void> {
    this.dialog = null;
    if (peers.length === 0) return this.say(t().notices.nobodyAsked);
    await this.#attempt(this.#backend.ask(id, { who: peers.join(','), waitS: 0, mode }));
  }

  /** A button of a request was pressed. Two of them ask once more. */
  answer(request: RequestRow, kind: Decision['kind']): void {
    const { id, peer, name } = request;
    switch (kind) {
      case 'help':
      case 'not_now':
        return void this.decide(id, { kind });
      case 'help_always':
        this.dialog = { kind: 'rule', who: { peer, name }, request: id };
        return;
      case 'block':
        this.dialog = { kind: 'block', who: { peer, name }, request: id };
    }
  }

  async decide(id: string, decision: Decision): Promise<void> {
    await this.#attempt(
      this.#backend.decide(id, decision).then((waited) => {
        if (!waited) this.say(t().requests.over);
      }),
    );
  }

  /** Helps somebody always, and with the request that waits, where there is one. */
  async helpAlways(who: Somebody, request: string | null, terms: RuleTerms): Promise<void> {
    this.dialog = null;
    if (request !== null) return this.decide(request, { kind: 'help_always', terms });
    await this.#attempt(this.#backend.setRule(who.peer, terms));
  }

  removeRule(peer: string): void {
    void this.#attempt(this.#backend.removeRule(peer));
  }

  /** A request that is over meanwhile does not keep its device from being blocked. */
  block(who: Somebody, request: string | null): void {
    this.dialog = null;
    const answered =
      request === null ? Promise.resolve(false) : this.#backend.decide(request, { kind: 'block' });
    void this.#attempt(
      answered.then((waited) => (waited ? undefined : this.#backend.block(who.peer))),
    );
  }

  unblock(peer: string): void {
    void this.#attempt(this.#backend.unblock(peer));
  }

  removeFriend(peer: string): void {
    this.dialog = null;
    void this.#attempt(this.#backend.removeFriend(peer));
  }

  /** @returns what is wrong with the list, which then stays as it was */
  setNeverHosts(hosts: string[]): Promise<FailureView | null> {
    return this.#try(this.#backend.setNeverHosts(hosts));
  }

  /** Begins to pair. @returns why that cannot be */
  async pair(who: string): Promise<FailureView | null> {
    const failure = await this.#try(this.#backend.pair(who));
    if (!failure) this.dialog = null;
    return failure;
  }

  /** The same from where nothing is left to correct. */
  async pairAnew(who: string): Promise<void> {
    this.closePairing();
    const failure = await this.pair(who);
    if (!failure) return;
    const text = failureText(failure);
    this.say(t().pairing.wrong, `${sentenceText(text)}${t().gap}${text.hint}`);
  }

  answerPairing(id: string, same: boolean): void {
    void this.#attempt(
      this.#backend.answerPairing(id, same).then((was) => {
        if (!was) this.say(t().pairing.over);
      }),
    );
  }

  /** Puts the dialog away. What runs still is refused: silence is no consent, and an open question is seen. */
  closePairing(): void {
    const { pairing } = this;
    if (!pairing) return;
    if (isRunning(pairing)) void this.#backend.answerPairing(pairing.id, false).catch(() => false);
    this.#closedPairings = [...this.#closedPairings, pairing.id];
    this.pairing = pairingOf(this.together?.pairings ?? [], null, this.#closedPairings);
  }

  showGroups(): void {
    this.friendsTab = 'groups';
    this.go('friends');
  }

  openJoin(invite = ''): void {
    if (this.networkFailure !== null) return this.say(t().join.noNetwork);
    this.dialog = { kind: 'join', invite };
  }

  /** @returns why that cannot be */
  async join(invite: string): Promise<FailureView | null> {
    const { dialog } = this;
    const failure = await this.#try(this.#backend.joinGroup(invite));
    if (failure) return failure;
    this.#closeAndShowGroups(dialog);
    const read = readInvite(invite);
    const name = typeof read === 'string' ? '' : read.name;
    this.say(t().join.joined(name || t().groups.unnamed), t().join.joinedText);
    return null;
  }

  /** What the server says of itself, or why it says nothing. */
  async lookAtServer(address: string): Promise<ServerFound | FailureView> {
    try {
      return await this.#backend.lookAtServer(address);
    } catch (error) {
      return asFailure(error);
    }
  }

  /** Makes a group, and shows how others come in. @returns why that cannot be */
  async makeGroup(server: ServerFound, name: string): Promise<FailureView | null> {
    let group = '';
    const { dialog } = this;
    const failure = await this.#try(
      this.#backend.createGroup(server, name).then((made) => (group = made)),
    );
    if (failure) return failure;
    if (this.#closeAndShowGroups(dialog)) await this.showInvite(group);
    return null;
  }

  /** Where nothing else was opened meanwhile: closes the dialog, and shows the groups. Whether it was so. */
  #closeAndShowGroups(dialog: OpenDialog | null): boolean {
    if (this.dialog !== dialog) return false;
    this.dialog = null;
    this.showGroups();
    return true;
  }

  /** Not over a dialog that was opened since. */
  async showInvite(group: string): Promise<void> {
    const { dialog } = this;
    try {
      const invite = await this.#backend.invite(group);
      if (this.dialog === dialog) this.dialog = { kind: 'invite', invite };
    } catch (error) {
      this.#sayFailure(error);
    }
  }

  leaveGroup(group: string): void {
    this.dialog = null;
    void this.#attempt(this.#backend.leaveGroup(group));
  }

  /** Makes a new secret, and shows the new invite: it is of use only once others have it. */
  rotateGroup(group: string): void {
    this.dialog = null;
    void this.#attempt(
      this.#backend.rotateGroup(group).then(async (anew) => {
        if (this.dialog === null) await this.showInvite(anew);
      }),
    );
  }

  setMeeting(meeting: Together['meeting']): void {
    void this.#attempt(this.#backend.setMeeting(meeting));
  }

  stopHelping(id: string): void {
    void this.#attempt(this.#backend.stopHelping(id));
  }

  setLending(change: LendingChange): void {
    if (change.on && !this.choices.hasLent) {
      this.dialog = { kind: 'lend', back: this.dialog };
      return;
    }
    void this.#attempt(this.#backend.setLending(change));
  }

  /** The terms have been seen: lending is switched on with them. */
  lendFirst(terms: Pick<RuleTerms, 'dailyBytes' | 'bytesPerS'> | null): void {
    if (this.dialog?.kind === 'lend') this.dialog = this.dialog.back;
    if (terms) void this.#attempt(this.#backend.setLending({ on: true, ...terms }));
  }

  quit(): void {
    this.dialog = null;
    void this.#attempt(this.#backend.quit());
  }

  /** The place of the row that is to be brought into sight, once it is there. */
  get revealable(): number | null {
    const { toReveal, page } = this;
    if (toReveal === null) return null;
    if (toReveal === 'added')
      return page.wantedIndex === null ? (page.selected?.index ?? null) : null;
    const { index, whenThere } = toReveal;
    return whenThere && rowAt(page, index) === undefined ? null : index;
  }
}
