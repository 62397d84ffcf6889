/** The simulated others: who is there, who asks this device for help, and how they answer when they are asked. */
import type {
  Candidate,
  HelpingRow,
  Lending,
  LendingChange,
  PeerRow,
  RequestRow,
  Together,
} from '../types';
import { type Asked, type Entry, filterOf, join } from './mock-download';

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
  lending: Lending = { on: false, accept: 'ask', allowPrivateOrigins: false };
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
    now: number;
  }) {
    this.#now = options.now;
    this.#port = options.port ?? DEFAULT_PORT;
    this.lending = { ...this.lending, ...options.lending };
    this.#peers = options.peers.map((peer, i) => ({
      online: true,
      friend: false,
      lending: true,
      addresses: [`10.42.3.${17 + i}:26269`],
      bringsBytesPerS: 5_000_000,
      answer: 'accept',
      ...peer,
    }));
    this.#coming = options.requests.map((plan) => ({
      plan,
      atMs: options.now + (plan.afterMs ?? 0),
    }));
    this.#arrive();
  }

  together(entries: Entry[], wanted: number): Together {
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
      peers: rows.filter((row) => row.online || row.friend).slice(0, Math.min(wanted, MAX_PEERS)),
      requests: this.#requests.map(({ row, untilMs }) => ({
        ...row,
        friend: this.#peer(row.peer)?.friend ?? false,
        expiresInS: Math.floor((untilMs - this.#now) / 1000),
      })),
      helping: this.#helping.map(({ row }) => row),
      lentBytesPerS: this.#helping.reduce((sum, { row }) => sum + row.bytesPerS, 0),
    };
  }

  candidates(entry: Entry): Candidate[] {
    if (entry.state !== 'connecting' && entry.state !== 'downloading') return [];
    return this.#peers
      .filter((peer) => peer.online && mayAsk(entry, peer.peer))
      .map((peer) => ({
        peer: peer.peer,
        name: peer.name,
        friend: peer.friend,
        lending: peer.lending,
        proposed: proposed(peer, entry.url, 'everyone'),
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

  decide(id: string, accept: boolean): boolean {
    const request = this.#requests.find(({ row }) => row.id === id);
    if (!request) return false;
    this.#requests = this.#requests.filter((other) => other !== request);
    if (accept) {
      const peer = this.#peer(request.plan.peer);
      if (peer) peer.friend = true;
      this.#help(request.plan, request.row);
    }
    return true;
  }

  stopHelping(id: string): boolean {
    const before = this.#helping.length;
    this.#helping = this.#helping.filter(({ row }) => row.id !== id);
    return this.#helping.length < before;
  }

  setLending(change: LendingChange): void {
    this.lending = { ...this.lending, ...change };
    if (this.lending.on) return;
    this.#requests = [];
    this.#helping = [];
  }

  step(ms: number, entries: Entry[]): void {
    this.#now += ms;
    this.#arrive();
    this.#requests = this.#requests.filter(({ untilMs }) => untilMs > this.#now);
    for (const { plan, row } of this.#helping) {
      row.bytesPerS = plan.takesBytesPerS ?? 3_000_000;
      row.sentBytes = Math.min(
        row.budgetBytes,
        row.sentBytes + Math.round((row.bytesPerS * ms) / 1000),
      );
    }
    this.#helping = this.#helping.filter(({ row }) => row.sentBytes < row.budgetBytes);
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
      if (!peer || asked.state !== 'asked') continue;
      if (peer.answer === 'silence') {
        if (age >= PENDING_MS) asked.state = 'expired';
      } else if (age >= ANSWER_MS) {
        asked.state = peer.answer === 'decline' ? 'declined' : 'accepted';
        if (asked.state !== 'accepted') continue;
        peer.friend = true;
        join(entry, peer.peer, peer.name, peer.bringsBytesPerS);
      }
    }
  }

  /** Requests of others that are due. While nothing is lent nobody can ask. */
  #arrive(): void {
    const due = this.#coming.filter(({ atMs }) => atMs <= this.#now);
    if (due.length === 0 || !this.lending.on) return;
    this.#coming = this.#coming.filter(({ atMs }) => atMs > this.#now);
    for (const { plan } of due) {
      const peer = this.#peer(plan.peer);
      const friend = peer?.friend ?? false;
      const row: RequestRow = {
        id: `request-${this.#nextId++}`,
        peer: plan.peer,
        name: peer?.name ?? plan.peer,
        friend,
        origins: plan.origins,
        fileName: friend ? (plan.fileName ?? null) : null,
        sizeBytes: plan.sizeBytes ?? null,
        budgetBytes: plan.budgetBytes,
        expiresInS: PENDING_MS / 1000,
      };
      const { accept } = this.lending;
      const atOnce = accept === 'all' || (accept === 'friends' && friend);
      if (plan.sentBytes !== undefined || atOnce) this.#help(plan, row);
      else this.#requests.push({ plan, row, untilMs: this.#now + PENDING_MS });
    }
    this.#requests.sort((a, b) => Number(b.row.friend) - Number(a.row.friend));
  }

  #help(plan: MockRequest, request: RequestRow): void {
    const { id, peer, name, origins, fileName, sizeBytes, budgetBytes } = request;
    const sentBytes = plan.sentBytes ?? 0;
    const bytesPerS = plan.sentBytes === undefined ? 0 : (plan.takesBytesPerS ?? 0);
    const row = {
      id,
      peer,
      name,
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

/** The engine's rule: a link that may be private goes to friends only, one with a query to nobody by itself. */
function proposed(peer: Required<MockPeer>, link: string, who: 'friends' | 'everyone'): boolean {
  const url = new URL(link);
  if (!peer.lending || url.search !== '') return false;
  return peer.friend || (who === 'everyone' && url.protocol !== 'https:');
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
    lending: peer.online && peer.lending,
    addresses: peer.online ? peer.addresses : [],
    helpsWith: helped.length,
    bytesPerS: Math.round(helped.reduce((sum, entry) => sum + brings(entry), 0)),
  };
}
