/** Simulated groups at rendezvous servers. */
import { readInvite, readServer } from '../state/invite';
import type {
  Callable,
  GroupRow,
  GroupState,
  InviteView,
  MemberRow,
  ServerFound,
  Together,
} from '../types';
import { failure } from './mock-download';

/** How long a server takes to let this device in. */
const CONNECT_MS = 1200;
/** Of a QR code of version 10. */
const MODULES = 57;

export interface MockGroup {
  name: string;
  server?: string;
  state?: GroupState;
  callable?: Callable;
  members?: MemberRow[];
}

interface Group {
  row: GroupRow;
  link: string;
  sinceMs: number;
}

export class MockGroups {
  meeting: Together['meeting'];
  #groups: Group[] = [];
  #nextId = 1;

  constructor(groups: MockGroup[], meeting: Together['meeting'], now: number) {
    this.meeting = meeting;
    for (const { name, server = 'https://rendezvous.example.edu:8470', ...plan } of groups) {
      const row = this.#push(linkTo(server, idOf(server), name, this.#nextId), now);
      row.state = plan.state ?? { state: 'online' };
      row.callable = plan.callable ?? { callable: 'yes' };
      row.members = plan.members ?? [];
    }
  }

  /** With the members, or with how many they are alone. */
  rows(members: boolean): GroupRow[] {
    const off = this.meeting === 'lan_only';
    return this.#groups
      .map(({ row }): GroupRow => (off ? { ...row, state: { state: 'off' }, members: [] } : row))
      .map((row) => ({
        ...row,
        listed: row.members.length,
        reached: row.members.filter(({ reach }) => ['reached', 'called'].includes(reach.reach))
          .length,
        members: members ? row.members : [],
      }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Whether anything has changed. */
  step(ms: number, now: number): void {
    for (const { row, sinceMs } of this.#groups) {
      if (row.state.state === 'connecting' && now - sinceMs >= CONNECT_MS) {
        row.state = { state: 'online' };
      } else if (row.state.state === 'trouble') {
        row.state = { ...row.state, retryInS: Math.max(0, row.state.retryInS - ms / 1000) };
      }
    }
  }

  lookAt(address: string): ServerFound {
    const server = readServer(address);
    if (server === null) throw failure('bad-url', `“${address}” is no address of a server.`);
    if (server.includes('missing')) {
      throw failure('cannot-connect', `Nobody answers at ${server}.`);
    }
    return { server, serverId: idOf(server), publicCertificate: server.includes('public') };
  }

  create({ server, serverId }: ServerFound, name: string, now: number): string {
    return this.#push(linkTo(server, serverId, name, this.#nextId), now).group;
  }

  join(link: string, now: number): string {
    const known = this.#groups.find((group) => group.link === link);
    return known?.row.group ?? this.#push(link, now).group;
  }

  leave(id: string): void {
    this.#groups = this.#groups.filter(({ row }) => row.group !== id);
  }

  rotate(id: string, now: number): string {
    const { row } = this.#find(id);
    this.leave(id);
    return this.create({ ...row, publicCertificate: false }, row.name, now);
  }

  invite(id: string): InviteView {
    const { row, link } = this.#find(id);
    return { group: id, name: row.name, serverId: row.serverId, link, qr: patternOf(link) };
  }

  #find(id: string): Group {
    const group = this.#groups.find(({ row }) => row.group === id);
    if (!group) throw failure('internal', 'There is no such group.');
    return group;
  }

  #push(link: string, now: number): GroupRow {
    const invite = readInvite(link);
    if (typeof invite === 'string') throw failure('bad-url', 'This is no invite.');
    const { name, server, serverId } = invite;
    const state: GroupState = { state: 'connecting' };
    const group = `group-${this.#nextId++}`;
    const callable: Callable = { callable: 'unknown' };
    const counts = { listed: 0, reached: 0 };
    const row = { group, name, server, serverId, state, callable, ...counts, members: [] };
    this.#groups.push({ row, link, sinceMs: now });
    return row;
  }
}

function linkTo(server: string, id: string, name: string, number: number): string {
  const secret = `${String(number).padStart(4, '0')}${'mAnYhAnDsMaNyHaNdS'.slice(0, 17)}A`;
  return `manyhands://join?${new URLSearchParams({ v: '1', s: server, id, k: secret, n: name })}`;
}

/** 52 characters of base32; the same ones for the same server. */
function idOf(server: string): string {
  const next = numbers(server);
  const id = Array.from({ length: 51 }, () => 'abcdefghijklmnopqrstuvwxyz234567'[next() % 32]);
  return `${id.join('')}q`;
}

/** Looks like a QR code, and says nothing: the engine makes those that do. */
function patternOf(link: string): string[] {
  const next = numbers(link);
  const finder = (x: number, y: number): string => {
    const far = Math.max(Math.abs(x - 3), Math.abs(y - 3));
    return far === 2 || far === 4 ? '0' : '1';
  };
  const near = (n: number) => n < 8;
  const row = (y: number) =>
    Array.from({ length: MODULES }, (_, x) => {
      const [right, bottom] = [MODULES - 1 - x, MODULES - 1 - y];
      if (near(x) && near(y)) return finder(x, y);
      if (near(right) && near(y)) return finder(right, y);
      if (near(x) && near(bottom)) return finder(x, bottom);
      return String((next() >>> 7) % 2);
    }).join('');
  return Array.from({ length: MODULES }, (_, y) => row(y));
}

/** Numbers that look random, the same ones for the same text. */
function numbers(text: string): () => number {
  let state = 2_166_136_261;
  for (const letter of text) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 16_777_619);
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}
