/** The simulated others: who is there, who asks this device for help, and how they answer when they are asked. */
import type {
  BlockedRow,
  Candidate,
  Decision,
  Found,
  HelpingRow,
  HelpReason,
  Lending,
  LendingChange,
  NoWay,
  PairingState,
  PeerRow,
  RequestRow,
  RuleTerms,
  Together,
} from '../types';
import { type Asked, type Entry, filterOf, join, modeOf } from './mock-download';
import { type MockGroup, MockGroups } from './mock-groups';
import { type MockPairing, MockPairings } from './mock-pairing';

/** As in the engine: an unanswered request ends after this time. */
const PENDING_MS = 60_000;
/** `DEFAULT_PORT` of the protocol. */
const DEFAULT_PORT = 26_269;
const ANSWER_MS = 1500;
const MAX_PEERS = 500;
const MAX_CANDIDATES = 100;

export interface MockPeer {
  peer: string;
  name: string;
  online?: boolean;
  friend?: boolean;
  lending?: boolean;
  addresses?: string[];
  /** What it brings when it helps. */
  bringsBytesPerS?: number;
  /** What it says when it is asked. */
  answer?: 'accept' | 'decline' | 'silence';
  /** Why it declines, or why it stops helping after a moment. */
  reason?: HelpReason | null;
  paired?: boolean;
  otherKey?: boolean;
  /** What becomes of pairing with it. */
  pairs?: PairingState;
  found?: Found[];
  /** Why it cannot be reached, of one that is listed. */
  noWay?: NoWay | null;
  /** It has called, since it cannot be called. */
  called?: boolean;
}

export interface MockRequest {
  peer: string;
  origins: string[];
  fileName?: string;
  sizeBytes?: number;
  budgetBytes: number;
  /** Comes so much later. */
  afterMs?: number;
  /** What the requester takes of this device's line once it is helped. */
  takesBytesPerS?: number;
  /** Already accepted at the beginning, with so much sent. */
  sentBytes?: number;
}

interface Session {
  plan: MockRequest;
  row: HelpingRow;
}

export class MockNetwork {
  lending: Lending = {
    on: false,
    accept: 'ask',
    allowPrivateOrigins: false,
    dailyBytes: 0,
    bytesPerS: 0,
    hours: null,
  };
  #rules = new Map<string, { terms: RuleTerms; lentTodayBytes: number }>();
  #blocked: BlockedRow[];
  #neverHosts: string[];
  #lentTodayBytes: number;
  readonly groups: MockGroups;
  readonly #pairings = new MockPairings();
  #toPair: MockPairing[];
  readonly #peers: Required<MockPeer>[];
  #coming: { plan: MockRequest; atMs: number }[];
  #requests: { plan: MockRequest; row: RequestRow; untilMs: number }[] = [];
  #helping: Session[] = [];
  readonly #port: number;
  #nextId = 1;
  #now: number;

  constructor(options: {
    peers: MockPeer[];
    requests: MockRequest[];
    lending?: LendingChange;
    port?: number;
    pairings?: MockPairing[];
    groups?: MockGroup[];
    meeting?: Together['meeting'];
    rules?: { peer: string; terms: RuleTerms; lentTodayBytes: number }[];
    blocked?: BlockedRow[];
    neverHosts?: string[];
    lentTodayBytes?: number;
    now: number;
  }) {
    this.#now = options.now;
    this.groups = new MockGroups(options.groups ?? [], options.meeting ?? 'automatic', options.now);
    this.#blocked = options.blocked ?? [];
    this.#neverHosts = options.neverHosts ?? ['ieeexplore.ieee.org', 'jstor.org'];
    this.#lentTodayBytes = options.lentTodayBytes ?? 0;
    this.#toPair = (options.pairings ?? []).map((plan) => ({
      ...plan,
      afterMs: options.now + (plan.afterMs ?? 0),
    }));
    for (const { peer, ...rule } of options.rules ?? []) this.#rules.set(peer, rule);
    this.#port = options.port ?? DEFAULT_PORT;
    this.lending = { ...this.lending, ...options.lending };
    this.#peers = options.peers.map((peer, i) => ({
      online: true,
      friend: false,
      lending: true,
      addresses: [`10.42.3.${17 + i}:26269`],
      bringsBytesPerS: 5_000_000,
      answer: 'accept',
      reason: null,
      paired: false,
      otherKey: false,
      pairs: 'paired',
      found: peer.online === false ? [] : [{ by: 'lan' }],
      noWay: null,
      called: false,
      ...peer,
    }));
    this.#coming = options.requests.map((plan) => ({
      plan,
      atMs: options.now + (plan.afterMs ?? 0),
    }));
    this.#arrive();
  }

  together(entries: Entry[], wanted: number, members: boolean): Together {
    const rows = this.#peers.map((peer) => peerRow(peer, entries));
    const rank = (row: PeerRow) =>
      (row.helpsWith === 0 ? 4 : 0) + (row.online ? 0 : 2) + (row.friend ? 0 : 1);
    rows.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
    return {
      device: 'kq7xv3mtz2hnd4bwyr6fjcs5pa7elguo3kq7xv3mtz2hnd4bwyra',
      name: 'Lin',
      port: this.#port,
      lending: this.lending,
      online: rows.filter((row) => row.online).length,
      peers: rows
        .filter((row) => (row.online || row.friend || row.noWay) && !this.#isBlocked(row.peer))
        .slice(0, Math.min(wanted, MAX_PEERS)),
      requests: this.#requests.map(({ row, untilMs }) => ({
        ...row,
        friend: this.#peer(row.peer)?.friend ?? false,
        expiresInS: Math.floor((untilMs - this.#now) / 1000),
      })),
      helping: this.#helping.map(({ row }) => row),
      lentBytesPerS: this.#helping.reduce((sum, { row }) => sum + row.bytesPerS, 0),
      lentTodayBytes: this.#lentTodayBytes,
      neverHosts: this.#neverHosts,
      meeting: this.groups.meeting,
      groups: this.groups.rows(members),
      rules: [...this.#rules]
        .map(([peer, { terms, lentTodayBytes }]) => ({
          peer,
          name: this.#peer(peer)?.name ?? '',
          ...terms,
          lentTodayBytes,
        }))
        .sort((a, b) => a.name.localeCompare(b.name)),
      blocked: this.#blocked,
      pairings: this.#pairings.rows(this.#now),
    };
  }

  candidates(entry: Entry): Candidate[] {
    if (entry.state !== 'connecting' && entry.state !== 'downloading') return [];
    return this.#peers
      .filter((peer) => peer.online && mayAsk(entry, peer.peer) && !this.#isBlocked(peer.peer))
      .map((peer) => ({
        peer: peer.peer,
        name: peer.name,
        friend: peer.friend,
        lending: peer.lending,
        proposed: proposed(peer, entry.url, 'everyone'),
        mode: modeOf(entry.url),
        relays: modeOf(entry.url) === 'relay',
        fetches: true,
        state: entry.help.find((asked) => asked.peer === peer.peer)?.state ?? null,
      }))
      .sort((a, b) => Number(b.friend) - Number(a.friend) || a.name.localeCompare(b.name))
      .slice(0, MAX_CANDIDATES);
  }

  /** Asks those who may be asked now. */
  ask(entry: Entry, who: string): void {
    if (entry.state !== 'connecting' && entry.state !== 'downloading') return;
    for (const peer of this.#peers) {
      const wanted =
        who === 'friends' || who === 'everyone'
          ? proposed(peer, entry.url, who)
          : who.split(',').includes(peer.peer);
      if (!peer.online || !wanted || !mayAsk(entry, peer.peer)) continue;
      const asked: Asked = {
        peer: peer.peer,
        name: peer.name,
        state: 'asked',
        sinceMs: this.#now,
      };
      entry.help = [...entry.help.filter((before) => before.peer !== peer.peer), asked];
    }
  }

  decide(id: string, decision: Decision): boolean {
    const request = this.#requests.find(({ row }) => row.id === id);
    if (!request) return false;
    this.#requests = this.#requests.filter((other) => other !== request);
    switch (decision.kind) {
      case 'help_always':
        this.setRule(request.plan.peer, decision.terms);
        this.#help(request.plan, request.row);
        break;
      case 'help': {
        const peer = this.#peer(request.plan.peer);
        if (peer) peer.friend = true;
        this.#help(request.plan, request.row);
        break;
      }
      case 'block':
        this.block(request.plan.peer);
    }
    return true;
  }

  setRule(id: string, terms: RuleTerms): void {
    const peer = this.#peer(id);
    if (peer) peer.friend = true;
    this.#rules.set(id, { terms, lentTodayBytes: this.#rules.get(id)?.lentTodayBytes ?? 0 });
  }

  removeRule(peer: string): void {
    this.#rules.delete(peer);
  }

  block(id: string): void {
    this.removeFriend(id);
    this.#requests = this.#requests.filter(({ row }) => row.peer !== id);
    if (!this.#isBlocked(id)) {
      this.#blocked = [...this.#blocked, { peer: id, name: this.#peer(id)?.name ?? '' }];
    }
  }

  unblock(id: string): void {
    this.#blocked = this.#blocked.filter(({ peer }) => peer !== id);
  }

  removeFriend(id: string): void {
    this.#rules.delete(id);
    this.#helping = this.#helping.filter(({ row }) => row.peer !== id);
    const peer = this.#peer(id);
    if (peer) Object.assign(peer, { friend: false, paired: false, otherKey: false });
  }

  setNeverHosts(hosts: string[]): void {
    this.#neverHosts = hosts;
  }

  /** `null` where nobody answers. */
  pair(who: string): string | null {
    const peer = this.#peers.find(
      ({ peer, addresses }) =>
        peer === who || addresses.some((address) => address.split(':')[0] === who.split(':')[0]),
    );
    if (!peer?.online) return null;
    return this.#pairings.begin(peer, false, peer.pairs, this.#now);
  }

  answerPairing(id: string, same: boolean): boolean {
    return this.#pairings.answer(id, same, this.#now);
  }

  #isBlocked(id: string): boolean {
    return this.#blocked.some(({ peer }) => peer === id);
  }

  stopHelping(id: string): boolean {
    const before = this.#helping.length;
    this.#helping = this.#helping.filter(({ row }) => row.id !== id);
    return this.#helping.length < before;
  }

  setLending(change: LendingChange): void {
    const hours = change.hours ?? this.lending.hours;
    const whole = hours?.fromMinute === hours?.toMinute;
    this.lending = { ...this.lending, ...change, hours: whole ? null : hours };
    if (this.lending.on) return;
    this.#requests = [];
    this.#helping = [];
  }

  step(ms: number, entries: Entry[]): void {
    this.#now += ms;
    this.#arrive();
    this.groups.step(ms, this.#now);
    this.#requests = this.#requests.filter(({ untilMs }) => untilMs > this.#now);
    for (const { plan, row } of this.#helping) {
      row.bytesPerS = plan.takesBytesPerS ?? 3_000_000;
      const left = row.budgetBytes - row.sentBytes;
      const sent = Math.min(left, Math.round((row.bytesPerS * ms) / 1000));
      row.sentBytes += sent;
      this.#lentTodayBytes += sent;
      const rule = this.#rules.get(row.peer);
      if (rule) rule.lentTodayBytes += sent;
    }
    this.#helping = this.#helping.filter(({ row }) => row.sentBytes < row.budgetBytes);
    for (const id of this.#pairings.step(this.#now)) {
      const peer = this.#peer(id);
      if (peer) Object.assign(peer, { friend: true, paired: true });
    }
    for (const entry of entries) this.#answer(entry);
  }

  #answer(entry: Entry): void {
    if (entry.asking && this.#now <= entry.asking.untilMs) this.ask(entry, entry.asking.who);
    for (const source of entry.sources.slice(1)) {
      // Those of the plan were asked before.
      if (source.peer && entry.activeMs > source.joinsMs && filterOf(entry.state) === 'active') {
        if (entry.help.some(({ peer }) => peer === source.peer)) continue;
        if (source.bytesPerS === 0) continue;
        const sinceMs = this.#now;
        entry.help.push({ peer: source.peer, name: source.name, state: 'accepted', sinceMs });
      }
    }
    for (const asked of entry.help) {
      const peer = this.#peer(asked.peer);
      const age = this.#now - asked.sinceMs;
      if (peer?.reason && asked.state === 'accepted' && age >= 4 * ANSWER_MS) {
        Object.assign(asked, { state: 'ended', reason: peer.reason });
        join(entry, peer.peer, peer.name, 0);
      }
      if (!peer || asked.state !== 'asked') continue;
      if (peer.answer === 'silence') {
        if (age >= PENDING_MS) asked.state = 'expired';
      } else if (age >= ANSWER_MS) {
        asked.state = peer.answer === 'decline' ? 'declined' : 'accepted';
        asked.sinceMs = this.#now;
        if (asked.state === 'declined') asked.reason = peer.reason ?? 'no';
        if (asked.state !== 'accepted') continue;
        peer.friend = true;
        join(entry, peer.peer, peer.name, peer.bringsBytesPerS);
      }
    }
  }

  /** Requests of others that are due. While nothing is lent nobody can ask. */
  #arrive(): void {
    for (const plan of this.#toPair.filter(({ afterMs = 0 }) => afterMs <= this.#now)) {
      const peer = this.#peer(plan.peer);
      if (peer) this.#pairings.begin(peer, true, peer.pairs, this.#now);
      this.#toPair = this.#toPair.filter((other) => other !== plan);
    }
    const due = this.#coming.filter(({ atMs }) => atMs <= this.#now);
    if (due.length === 0 || !this.lending.on) return;
    this.#coming = this.#coming.filter(({ atMs }) => atMs > this.#now);
    for (const { plan } of due) {
      if (this.#isBlocked(plan.peer)) continue;
      const peer = this.#peer(plan.peer);
      const friend = peer?.friend ?? false;
      const row: RequestRow = {
        id: `request-${this.#nextId++}`,
        peer: plan.peer,
        name: peer?.name ?? plan.peer,
        friend,
        mode: modeOf(plan.origins[0] ?? ''),
        origins: plan.origins,
        fileName: friend ? (plan.fileName ?? null) : null,
        sizeBytes: plan.sizeBytes ?? null,
        budgetBytes: plan.budgetBytes,
        expiresInS: PENDING_MS / 1000,
      };
      const { accept } = this.lending;
      const ruled = this.#rules.has(plan.peer);
      const atOnce = ruled || accept === 'all' || (accept === 'friends' && friend);
      if (plan.sentBytes !== undefined || atOnce) this.#help(plan, row);
      else this.#requests.push({ plan, row, untilMs: this.#now + PENDING_MS });
    }
    this.#requests.sort((a, b) => Number(b.row.friend) - Number(a.row.friend));
  }

  #help(plan: MockRequest, request: RequestRow): void {
    const { id, peer, name, mode, origins, fileName, sizeBytes, budgetBytes } = request;
    const sentBytes = plan.sentBytes ?? 0;
    const bytesPerS = plan.sentBytes === undefined ? 0 : (plan.takesBytesPerS ?? 0);
    const row = {
      id,
      peer,
      name,
      mode,
      origins,
      fileName,
      sizeBytes,
      budgetBytes,
      sentBytes,
      bytesPerS,
    };
    this.#helping.push({ plan, row });
  }

  #peer(id: string): Required<MockPeer> | undefined {
    return this.#peers.find(({ peer }) => peer === id);
  }
}

/** The engine's rule in short: who carries learns no link; who fetches does, so only friends, and no link with a query. */
function proposed(peer: Required<MockPeer>, link: string, who: 'friends' | 'everyone'): boolean {
  const url = new URL(link);
  if (!peer.lending) return false;
  if (modeOf(link) === 'relay') return peer.friend || who === 'everyone';
  return peer.friend && url.search === '';
}

function mayAsk(entry: Entry, peer: string): boolean {
  return !entry.help.some(
    (asked) => asked.peer === peer && (asked.state === 'asked' || asked.state === 'accepted'),
  );
}

function peerRow(peer: Required<MockPeer>, entries: Entry[]): PeerRow {
  const helped = entries.filter((entry) =>
    entry.help.some((asked) => asked.peer === peer.peer && asked.state === 'accepted'),
  );
  const brings = (entry: Entry) =>
    entry.rates[entry.sources.findIndex((source) => source.peer === peer.peer)] ?? 0;
  return {
    peer: peer.peer,
    name: peer.name,
    online: peer.online,
    friend: peer.friend,
    paired: peer.friend && peer.paired,
    otherKey: peer.otherKey,
    found: peer.found,
    reached: peer.online && !peer.called ? (peer.addresses[0] ?? null) : null,
    called: peer.online && peer.called,
    noWay: peer.noWay,
    lending: peer.online && peer.lending,
    addresses: peer.online || peer.noWay ? peer.addresses : [],
    helpsWith: helped.length,
    bytesPerS: Math.round(helped.reduce((sum, entry) => sum + brings(entry), 0)),
  };
}
