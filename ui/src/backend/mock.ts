/**
 * An engine for the browser and for tests: it keeps a queue, downloads at the throughput that each source has, fails where
 * the link says so, knows others who help and ask for help, and is driven by time alone. Nothing of it is in the product.
 */
import type { Language } from '../i18n/index.svelte';
import { isLink } from '../state/links';
import type {
  AskFor,
  Counts,
  Decision,
  FailureView,
  Filter,
  InviteView,
  LendingChange,
  NewDownload,
  News,
  Query,
  RowState,
  RuleTerms,
  ServerFound,
  Together,
  View,
  Welcome,
  Recovered,
} from '../types';
import type { Backend } from './index';
import {
  actionsOf,
  detailsOf,
  enter,
  type Entry,
  failure,
  filterOf,
  type MockDownload,
  newEntry,
  point,
  rowOf,
  sum,
  transfer,
} from './mock-download';
import type { MockGroup, MockGroups } from './mock-groups';
import { MockNetwork, type MockPeer, type MockRequest } from './mock-network';
import type { MockPairing } from './mock-pairing';

export type { MockDownload, MockGroup, MockPairing, MockPeer, MockRequest };

const MAX_ACTIVE = 3;
const MAX_ROWS = 200;
const CONNECT_MS = 700;
const FINISH_MS = 400;

export interface MockWorld {
  downloads?: MockDownload[];
  /** Without others, and without this, there is a network with nobody in it. */
  peers?: MockPeer[];
  requests?: MockRequest[];
  lending?: LendingChange;
  /** Others who want to pair. */
  pairings?: MockPairing[];
  groups?: MockGroup[];
  meeting?: Together['meeting'];
  rules?: { peer: string; terms: RuleTerms; lentTodayBytes: number }[];
  blocked?: { peer: string; name: string }[];
  neverHosts?: string[];
  /** Sent to all before. */
  lentTodayBytes?: number;
  /** On which this device is reached. */
  port?: number;
  /** Why others cannot be met. */
  networkFailure?: FailureView;
  now?: number;
  seed?: number;
}

export class MockBackend implements Backend {
  #entries: Entry[] = [];
  #nextId = 1;
  #revision = 0;
  #now: number;
  #heard: (news: News) => void = () => {};
  #untilPoint = 1000;
  #random: () => number;
  readonly #downloadDir: string;
  readonly #network: MockNetwork | null;
  #link: string | null = null;
  readonly #networkFailure: FailureView | null;
  recovered: Recovered | null = null;
  /** What the dialog for folders answers. */
  picked: string | null = null;
  readonly opened: number[] = [];
  /** Every language that it was told. */
  readonly spoken: Language[] = [];
  hasQuit = false;

  constructor(world: MockWorld = {}) {
    this.#now = world.now ?? Date.now();
    this.#random = randomFrom(world.seed ?? 1);
    this.#downloadDir = '/home/lin/Downloads';
    this.#networkFailure = world.networkFailure ?? null;
    this.#network = world.networkFailure
      ? null
      : new MockNetwork({
          ...world,
          peers: world.peers ?? [],
          requests: world.requests ?? [],
          now: this.#now,
        });
    for (const plan of world.downloads ?? []) this.#push(plan, this.#downloadDir);
    this.#startWaiting();
  }

  /** Lets time go by, in steps of at most a tenth of a second. */
  advance(ms: number): void {
    for (let left = ms; left > 0; left -= 100) this.#step(Math.min(left, 100));
    this.#touch();
  }

  /** Runs with the clock of the page. */
  run(): void {
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      this.advance(now - last);
      last = now;
    }, 100);
  }

  /** Tells the page something, as the shell does. */
  say(news: News): void {
    this.#heard(news);
  }

  /** A second start brings a link; so does the first, before the page listens. */
  bringLink(link: string): void {
    this.#link = link;
    this.say('link_brought');
  }

  async view(query: Query): Promise<View> {
    const search = query.search.trim().toLowerCase();
    const matching = this.#entries.filter(
      (entry) =>
        (query.filter === 'all' || filterOf(entry.state) === query.filter) &&
        (entry.plan.name.toLowerCase().includes(search) || entry.plan.host.includes(search)),
    );
    const rows = matching.slice(query.first, query.first + Math.min(query.count, MAX_ROWS));
    const selected = this.#entries.find((entry) => entry.id === query.selected);
    return structuredClone({
      revision: this.#revision,
      counts: this.#counts(),
      bytesPerS: sum(this.#entries.flatMap((entry) => entry.rates)),
      canPauseAll: this.#entries.some((entry) => actionsOf(entry.state).includes('pause')),
      canResumeAll: this.#entries.some((entry) => entry.state === 'paused'),
      matching: matching.length,
      rows: rows.map(rowOf),
      selectedIndex: selected && matching.includes(selected) ? matching.indexOf(selected) : null,
      details: selected
        ? { ...detailsOf(selected), candidates: this.#network?.candidates(selected) ?? [] }
        : null,
      together: this.#network?.together(this.#entries, query.peers, query.members) ?? null,
    });
  }

  async add(download: NewDownload): Promise<number> {
    if (!isLink(download.url)) {
      throw failure('bad-url', `“${download.url}” is no link.`);
    }
    if (download.dir !== null && !download.dir.startsWith('/')) {
      throw failure('folder', `${download.dir} is not an absolute path.`);
    }
    if (download.sha256 && !/^[0-9a-f]{64}$/i.test(download.sha256)) {
      throw failure('bad-digest', 'This is not a SHA-256: expected 64 hexadecimal digits.');
    }
    const url = new URL(download.url);
    const name = download.out ?? (url.pathname.split('/').pop() || url.hostname);
    const missing = /missing|404/.test(url.pathname);
    const entry = this.#push(
      {
        name,
        host: url.hostname,
        total: 64_000_000,
        sources: [{ name: url.hostname, bytesPerS: 8_000_000, joinsMs: 0 }],
        ...(missing && {
          failure: { code: 'not-found', message: `${url.hostname} answered 404 Not Found.` },
        }),
        ...(download.sha256 && { sha256: download.sha256.toLowerCase() }),
        state: 'queued',
      },
      download.dir ?? this.#downloadDir,
      download.url,
    );
    this.#startWaiting();
    if (download.ask) this.#askFor(entry, download.ask);
    this.#touch();
    return entry.id;
  }

  async pause(id: number): Promise<void> {
    this.#enter(this.#find(id), 'paused');
    this.#startWaiting();
    this.#touch();
  }

  async resume(id: number): Promise<void> {
    this.#enter(this.#find(id), 'queued');
    this.#startWaiting();
    this.#touch();
  }

  async remove(id: number): Promise<void> {
    this.#find(id);
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
    this.#startWaiting();
    this.#touch();
  }

  async pauseAll(): Promise<void> {
    for (const entry of this.#entries) {
      if (actionsOf(entry.state).includes('pause')) this.#enter(entry, 'paused');
    }
    this.#touch();
  }

  async resumeAll(): Promise<void> {
    for (const entry of this.#entries) if (entry.state === 'paused') this.#enter(entry, 'queued');
    this.#startWaiting();
    this.#touch();
  }

  async openFolder(id: number): Promise<void> {
    this.opened.push(this.#find(id).id);
  }

  async pickFolder(): Promise<string | null> {
    return this.picked;
  }

  async ask(id: number, ask: AskFor): Promise<void> {
    this.#askFor(this.#find(id), ask);
    this.#touch();
  }

  async decide(id: string, decision: Decision): Promise<boolean> {
    const was = this.#network?.decide(id, decision) ?? false;
    this.#touch();
    return was;
  }

  async stopHelping(id: string): Promise<boolean> {
    const was = this.#network?.stopHelping(id) ?? false;
    this.#touch();
    return was;
  }

  async setLending(change: LendingChange): Promise<void> {
    this.#network?.setLending(change);
    this.#touch();
  }

  async setRule(peer: string, terms: RuleTerms): Promise<void> {
    this.#network?.setRule(peer, terms);
    this.#touch();
  }

  async removeRule(peer: string): Promise<void> {
    this.#network?.removeRule(peer);
    this.#touch();
  }

  async block(peer: string): Promise<void> {
    this.#network?.block(peer);
    this.#touch();
  }

  async unblock(peer: string): Promise<void> {
    this.#network?.unblock(peer);
    this.#touch();
  }

  async removeFriend(peer: string): Promise<void> {
    this.#network?.removeFriend(peer);
    this.#touch();
  }

  async setNeverHosts(hosts: string[]): Promise<void> {
    const bad = hosts.find((host) => !/^[\w-]+(\.[\w-]+)+\.?$/.test(host));
    if (bad !== undefined) throw failure('no-host', `“${bad}” is no host.`);
    this.#network?.setNeverHosts(hosts);
    this.#touch();
  }

  async pair(who: string): Promise<string> {
    const id = this.#network?.pair(who) ?? null;
    this.#touch();
    if (id === null) throw failure('peer-not-found', `No device answers at ${who}.`);
    return id;
  }

  async answerPairing(id: string, same: boolean): Promise<boolean> {
    const was = this.#network?.answerPairing(id, same) ?? false;
    this.#touch();
    return was;
  }

  async lookAtServer(address: string): Promise<ServerFound> {
    return this.#groups.lookAt(address);
  }

  async createGroup(server: ServerFound, name: string): Promise<string> {
    return this.#changing((groups, now) => groups.create(server, name, now));
  }

  async joinGroup(invite: string): Promise<string> {
    return this.#changing((groups, now) => groups.join(invite, now));
  }

  async leaveGroup(group: string): Promise<void> {
    this.#changing((groups) => groups.leave(group));
  }

  async invite(group: string): Promise<InviteView> {
    return this.#groups.invite(group);
  }

  async rotateGroup(group: string): Promise<string> {
    return this.#changing((groups, now) => groups.rotate(group, now));
  }

  async setMeeting(meeting: Together['meeting']): Promise<void> {
    this.#changing((groups) => (groups.meeting = meeting));
  }

  async takeLink(): Promise<string | null> {
    const link = this.#link;
    this.#link = null;
    return link;
  }

  async speak(language: Language): Promise<void> {
    this.spoken.push(language);
  }

  async quit(): Promise<void> {
    this.hasQuit = true;
  }

  async welcome(): Promise<Welcome> {
    return {
      downloadDir: this.#downloadDir,
      recovered: this.recovered,
      networkFailure: this.#networkFailure,
    };
  }

  async watch(heard: (news: News) => void): Promise<void> {
    this.#heard = heard;
  }

  get #groups(): MockGroups {
    if (!this.#network) throw failure('internal', 'There is no network.');
    return this.#network.groups;
  }

  #changing<T>(change: (groups: MockGroups, now: number) => T): T {
    const changed = change(this.#groups, this.#now);
    this.#touch();
    return changed;
  }

  #touch(): void {
    this.#revision += 1;
    this.#heard('changed');
  }

  #counts(): Counts {
    const of = (filter: Filter) =>
      this.#entries.filter((entry) => filterOf(entry.state) === filter).length;
    return {
      all: this.#entries.length,
      active: of('active'),
      queued: of('queued'),
      done: of('done'),
    };
  }

  #find(id: number): Entry {
    const entry = this.#entries.find((entry) => entry.id === id);
    if (!entry) throw failure('internal', 'This cannot be done: there is no such download.');
    return entry;
  }

  #push(plan: MockDownload, dir: string, url?: string): Entry {
    const link = url ?? `https://${plan.host}/${encodeURIComponent(plan.name)}`;
    const entry = newEntry(this.#nextId++, plan, dir, link, this.#now);
    this.#entries.push(entry);
    return entry;
  }

  #enter(entry: Entry, state: RowState): void {
    enter(entry, state, this.#now);
  }

  #askFor(entry: Entry, { who, waitS }: AskFor): void {
    entry.asking = { who, untilMs: this.#now + waitS * 1000 };
    this.#network?.ask(entry, who);
  }

  #startWaiting(): void {
    let active = this.#entries.filter((entry) => filterOf(entry.state) === 'active').length;
    for (const entry of this.#entries) {
      if (active >= MAX_ACTIVE) return;
      if (entry.state !== 'queued') continue;
      this.#enter(entry, 'connecting');
      active += 1;
    }
  }

  #step(ms: number): void {
    this.#now += ms;
    this.#untilPoint -= ms;
    for (const entry of this.#entries) this.#stepOne(entry, ms);
    this.#network?.step(ms, this.#entries);
    if (this.#untilPoint <= 0) {
      this.#untilPoint += 1000;
      for (const entry of this.#entries) point(entry);
    }
    this.#startWaiting();
  }

  #stepOne(entry: Entry, ms: number): void {
    const age = this.#now - entry.since;
    if (entry.state === 'connecting' && age >= CONNECT_MS) {
      this.#enter(entry, entry.plan.failure ? 'failed' : 'downloading');
    } else if (entry.state === 'finishing' && age >= FINISH_MS) {
      this.#enter(entry, 'completed');
    } else if (entry.state === 'downloading') {
      transfer(entry, ms, this.#random);
      if (entry.plan.total !== null && sum(entry.received) >= entry.plan.total) {
        this.#enter(entry, 'finishing');
      }
    }
  }
}

/** Numbers in [0, 1), the same ones for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
