/**
 * Reads invites, so that one sees what one is about to join. Pure. What an invite is in the end is decided by the engine; what
 * is read here is no more than that and never something else.
 */

/** What an invite names. */
export interface Invite {
  /** As it is handed to the engine. */
  link: string;
  /** What the group is called; may be empty. */
  name: string;
  /** `https://HOST:PORT` */
  server: string;
  serverId: string;
}

export type NoInvite = 'no-invite' | 'later-version' | 'bad-server';

/** `RENDEZVOUS_PORT`, `MAX_INVITE_BYTES` and `GROUP_NAME_CHARS` of the protocol. */
export const RENDEZVOUS_PORT = 8470;
export const MAX_INVITE_BYTES = 1024;
export const GROUP_NAME_CHARS = 40;

const VERSION = '1';
const ID = /^[a-z2-7]{51}[aq]$/i;
/** 16 bytes in base64url. */
const SECRET = /^[\w-]{21}[AQgw]$/;

/** What the invite names, or why the text is none. */
export function readInvite(text: string): Invite | NoInvite {
  const link = text.trim();
  const query = /^manyhands:\/\/join\/?\?([^#\s]*)$/i.exec(link)?.[1];
  if (query === undefined || new TextEncoder().encode(link).length > MAX_INVITE_BYTES) {
    return 'no-invite';
  }
  const fields = new URLSearchParams(query);
  const all = ['v', 's', 'id', 'k', 'ca', 'n'];
  // Twice the same would be read otherwise by somebody else.
  if (all.some((field) => fields.getAll(field).length > 1)) return 'no-invite';
  const version = fields.get('v');
  if (version === null) return 'no-invite';
  if (version !== VERSION) return 'later-version';
  const [server, id, secret] = ['s', 'id', 'k'].map((field) => fields.get(field));
  if (!server || !id || !secret || !SECRET.test(secret)) return 'no-invite';
  const read = readServer(server);
  if (read === null || !ID.test(id) || !['0', '1', null].includes(fields.get('ca'))) {
    return 'bad-server';
  }
  const name = neutralised(fields.get('n') ?? '');
  return { link, name, server: read, serverId: id.toLowerCase() };
}

/** The first invite in a pasted text, which may be prose; whether it is a whole one is not said. */
export function inviteIn(text: string): string | null {
  return /manyhands:\/\/join\/?\?[^\s<>"'“”，。）)\]]+/i.exec(text)?.[0] ?? null;
}

/** Whether the whole text is meant to be an invite, and nothing else. */
export const isInvite = (text: string): boolean => inviteIn(text) === text.trim();

/** `https://HOST:PORT` as it is written everywhere; `null` where it makes no sense. Without a port it is the server's usual one. */
export function readServer(text: string): string | null {
  const written = /^(https?):\/\/([^/?#@\\]+)\/?$/i.exec(text.trim());
  if (!written || !URL.canParse(text.trim())) return null;
  const url = new URL(text.trim());
  if (url.hostname === '') return null;
  const explicit = /:(\d+)$/.exec(written[2] ?? '')?.[1];
  const port = explicit === undefined ? RENDEZVOUS_PORT : Number(explicit);
  return `${url.protocol}//${url.hostname}:${port}`;
}

/** What was typed as an address, with the scheme that is meant. */
export function serverOf(typed: string): string {
  const text = typed.trim();
  return text === '' || text.includes('://') ? text : `https://${text}`;
}

/** Whether what passes between can be read on the way. */
export const isPlain = (server: string): boolean => /^http:/i.test(server.trim());

/** Without what steers the text around it or shows nothing: whoever made the link chose it. */
function neutralised(name: string): string {
  const calm = name
    .replace(/\s+/gu, ' ')
    .replace(/[\p{C}\u115F\u1160\u3164\uFFA0\u2800]/gu, '')
    .replace(/\p{M}{4,}/gu, '')
    .trim();
  return [...calm].slice(0, GROUP_NAME_CHARS).join('').trim();
}
