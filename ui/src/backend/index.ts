/**
 * The one border between the page and the engine.
 *
 * Two implementations: the desktop shell (`desktop.ts`, the only file that imports Tauri) and a simulated engine for the
 * browser and for tests (`mock.ts`).
 */
import type { Language } from '../i18n/index.svelte';
import type {
  AskFor,
  Decision,
  FailureView,
  InviteView,
  LendingChange,
  NewDownload,
  News,
  Query,
  RuleTerms,
  ServerFound,
  Together,
  View,
  Welcome,
} from '../types';

export interface Backend {
  view(query: Query): Promise<View>;
  add(download: NewDownload): Promise<number>;
  pause(id: number): Promise<void>;
  resume(id: number): Promise<void>;
  remove(id: number): Promise<void>;
  pauseAll(): Promise<void>;
  resumeAll(): Promise<void>;
  /** Shows a finished file in the system's file manager. */
  openFolder(id: number): Promise<void>;
  /** The system's dialog for folders; `null` when it was cancelled. */
  pickFolder(from: string): Promise<string | null>;
  /** Asks others for help with a download; nothing waits for their answers. */
  ask(id: number, ask: AskFor): Promise<void>;
  /** Answers a help request. `false` when it waits no longer, and after a yes for which there is no room. */
  decide(id: string, decision: Decision): Promise<boolean>;
  /** Ends a session in which this device helps. Whether there was one. */
  stopHelping(id: string): Promise<boolean>;
  /** Changes what is named; the rest stays as it is at that moment. */
  setLending(change: LendingChange): Promise<void>;
  /** Always helps a peer, on these terms; whoever was a stranger is a friend from then on. */
  setRule(peer: string, terms: RuleTerms): Promise<void>;
  removeRule(peer: string): Promise<void>;
  /** It never comes in again, and what runs with it ends. */
  block(peer: string): Promise<void>;
  unblock(peer: string): Promise<void>;
  /** A friend is a stranger again, and its rule is gone. */
  removeFriend(peer: string): Promise<void>;
  /** The whole list. Fails with a failure that names what is no host, and changes nothing then. */
  setNeverHosts(hosts: string[]): Promise<void>;
  /** Begins to pair with a device, by its id or its address. @returns the pairing's id */
  pair(who: string): Promise<string>;
  /** Whether the digits on both screens are the same. `false` when it is over. */
  answerPairing(id: string, same: boolean): Promise<boolean>;
  /** What a rendezvous server says of itself, before it is trusted. */
  lookAtServer(address: string): Promise<ServerFound>;
  /** Makes a group at a server whose id the user has compared. @returns the group's id */
  createGroup(server: ServerFound, name: string): Promise<string>;
  /** @returns the group's id */
  joinGroup(invite: string): Promise<string>;
  leaveGroup(group: string): Promise<void>;
  /** The group's invite, which is a secret. */
  invite(group: string): Promise<InviteView>;
  /** Makes a new secret: whoever has only the old invite is out. @returns the group's new id */
  rotateGroup(group: string): Promise<string>;
  /** How others are found. */
  setMeeting(meeting: Together['meeting']): Promise<void>;
  /** The link that the program was started with, or that a second start has brought; each is given once. */
  takeLink(): Promise<string | null>;
  /** The language of what the shell shows by itself: its tray and its notifications. */
  speak(language: Language): Promise<void>;
  /** Ends the program in order. */
  quit(): Promise<void>;
  welcome(): Promise<Welcome>;
  /** Hears the news, of changes at most ten times a second. Call once. */
  watch(heard: (news: News) => void): Promise<void>;
}

/** What a rejected promise of a backend holds; everything else is a mistake of ours and told as such. */
export function asFailure(error: unknown): FailureView {
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
    const { code, message, hint, ...exactly } = error as FailureView;
    return { ...exactly, code: String(code), message: String(message), hint: String(hint ?? '') };
  }
  return { code: 'internal', message: String(error), hint: '' };
}
