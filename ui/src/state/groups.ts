/** What is said of groups: who of one is reached, why others are not, why nobody is found at all. Pure. */
import type { Found, GroupRow, MemberRow, NoWay, PeerRow, Together } from '../types';

/** `DEFAULT_PORT` of the protocol. */
export const DEFAULT_PORT = 26_269;

/** The members of a group in the order in which they are shown. */
export interface Standing {
  /** Those who are reached, then those of whom nothing is known yet. */
  there: MemberRow[];
  /** Those who are listed and cannot be reached, by why. */
  out: { why: NoWay; members: MemberRow[] }[];
}

export function standingOf(members: readonly MemberRow[]): Standing {
  const isOneOf = (...kinds: MemberRow['reach']['reach'][]) =>
    members.filter(({ reach }) => kinds.includes(reach.reach));
  const reached = isOneOf('reached', 'called');
  const called = isOneOf('trying', 'ringing', 'listed');
  const out = new Map<NoWay, MemberRow[]>();
  for (const member of members) {
    if (member.reach.reach !== 'no') continue;
    const { why } = member.reach;
    out.set(why, [...(out.get(why) ?? []), member]);
  }
  return {
    there: [...reached, ...called],
    out: [...out].map(([why, members]) => ({ why, members })),
  };
}

/** The ports on which these are said to listen, for a sentence: the usual one where nothing is known. */
export function portsOf(members: readonly { peer: string }[], peers: readonly PeerRow[]): string {
  const wanted = new Set(members.map(({ peer }) => peer));
  const addresses = peers.filter(({ peer }) => wanted.has(peer)).flatMap((row) => row.addresses);
  const ports = new Set(addresses.map(portOf).filter((port) => port !== null));
  return ports.size > 0 ? [...ports].sort((a, b) => a - b).join(', ') : String(DEFAULT_PORT);
}

/** The port at the end of an address, or of a server's. */
export function portOf(address: string): number | null {
  const port = Number(/:(\d{1,5})\/?$/.exec(address)?.[1]);
  return Number.isFinite(port) && port > 0 ? port : null;
}

/** The groups in which somebody is listed. */
export const groupsOf = (found: readonly Found[]): string[] =>
  found.flatMap((found) => (found.by === 'group' ? [found.name] : []));

/** An id as it is compared: in fours. */
export const inFours = (id: string): string[] => id.match(/.{1,4}/gu) ?? [];

/** The groups whose servers are of no use now. */
export const troubledOf = (groups: readonly GroupRow[]): GroupRow[] =>
  groups.filter(({ state }) => state.state === 'trouble');

/**
 * Why nobody is there. `routers`: others on this network would be found, those beyond are met in groups; `unreached`: some are
 * listed, and none is reached.
 */
export type WhyNobody =
  | 'routers'
  | 'listed'
  | 'listed-only'
  | 'lan-only'
  | 'server-only'
  | 'trouble'
  | 'unreached'
  | 'connecting';

export function whyNobody({ groups, meeting }: Pick<Together, 'groups' | 'meeting'>): WhyNobody {
  if (groups.length === 0) return meeting === 'server_only' ? 'server-only' : 'routers';
  if (meeting === 'lan_only') return 'lan-only';
  if (troubledOf(groups).length === groups.length) return 'trouble';
  if (groups.some(({ listed }) => listed > 0)) return 'unreached';
  if (groups.some(({ state }) => state.state === 'connecting')) return 'connecting';
  return meeting === 'server_only' ? 'listed-only' : 'listed';
}
