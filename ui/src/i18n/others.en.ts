/** Others: friends, requests, helping, lending, and how they are found and known. */
import type { AskChoice } from '../state/choices';
import type { HelpWish } from '../state/together';
import type { HelpReason, HelpState, Lending, LimitView, PairingState, Together } from '../types';

/** What a peer that was asked said. */
export const helpStates: Record<HelpState, string> = {
  asked: 'asked',
  accepted: 'helps',
  declined: 'not now',
  expired: 'no answer',
  lost: 'out of reach',
  ended: 'has stopped',
};

/** Why a peer does not help, or no more. Stands under its name. */
export const helpReasons: Record<HelpReason, string> = {
  no: 'said no for now',
  not_lending: 'does not lend now: switched off, outside of its hours, or nothing left for today',
  too_many: 'helps as many others as it can',
  host: 'does not lend for this server',
  completed: 'the file is complete',
  cancelled: 'was not needed any more',
  elsewhere: 'cannot help: the server sends everything to another server, which was not agreed to',
  no_gain:
    'brings nothing more: most likely you both reach the server from the same public address',
  mismatch:
    'sent something else than the server; nothing of that is in the file, and it is not asked again',
  budget: 'has given as much as it wanted to give',
  stopped: 'has stopped helping',
  lost: 'cannot be reached any more',
  other: 'the help ended',
};

/** How somebody helps, in a word … */
export const modes: Record<'relay' | 'fetch', string> = { relay: 'relay', fetch: 'fetch' };

/** … as the one who is helped sees it … */
export const modeHelp: Record<'relay' | 'fetch', string> = {
  relay: 'Carries your encrypted connection; can neither see nor change what is in it.',
  fetch: 'Downloads a part for you and passes it on.',
};

/** … what a candidate would learn … */
export const learns: Record<'relay' | 'fetch', string> = {
  relay: 'learns the servers and the size',
  fetch: 'learns the link',
};

/** … and as the helper is told before it helps. */
export const modeAsks: Record<'relay' | 'fetch', string> = {
  relay:
    'Your computer carries an encrypted connection: you can neither see nor change what is in it.',
  fetch: 'Your computer downloads it in your name and passes it on.',
};

/** How those who are asked are to help: what the choice is called … */
export const helpWishes: Record<HelpWish, string> = {
  auto: 'Automatic',
  relay: 'Only carry',
  fetch: 'Only fetch',
};

/** … and what it means. */
export const helpWishHelp: Record<HelpWish, string> = {
  auto: 'They carry your encrypted connection where that is possible, and fetch where it is not.',
  relay:
    'They only pass your encrypted connection on: they learn neither link nor content. It needs https.',
  fetch:
    'They download from the server themselves, so they learn the link. What they bring is proved only where its SHA-256 is known.',
};

/** How a pairing stands: a heading, and what it means. `name` is the other device. */
export const pairingStates: Record<
  PairingState,
  { title: (name: string) => string; text: (name: string) => string }
> = {
  connecting: {
    title: (name) => `Pairing with ${name}`,
    text: (name) => `Waiting for an answer of ${name}.`,
  },
  compare: {
    title: (name) => `Pairing with ${name}`,
    text: (name) =>
      `Both screens must show the same digits. Look at the other screen, or call: only ${name} can tell you.`,
  },
  waiting_for_other: {
    title: (name) => `Waiting for ${name}`,
    text: (name) => `You have said that the digits are the same. ${name} has to say so too.`,
  },
  paired: {
    title: (name) => `You and ${name} are paired`,
    text: (name) =>
      `From now on ${name} is known by the key of that device, whatever its name or address. Nobody else can pass for it.`,
  },
  refused: {
    title: () => 'Not paired',
    text: () =>
      'One of you said that the digits differ, or does not want to pair. Nothing has changed. If they did differ, somebody may stand between you: try it on another network.',
  },
  expired: {
    title: () => 'Not paired: time is up',
    text: () =>
      'Not both of you answered within a minute. Nothing has changed; try again when both are in front of their screens.',
  },
  cheated: {
    title: () => 'Pairing was stopped',
    text: (name) =>
      `What answered as ${name} broke the rules of pairing: somebody may stand between you. Nothing has changed. Do not try again on this network.`,
  },
  failed: {
    title: () => 'Pairing did not begin',
    text: (name) =>
      `${name} could not be reached, or was asked too often in the last minutes. Nothing has changed.`,
  },
};

export const accepts: Record<Lending['accept'], string> = {
  ask: 'Ask me each time',
  friends: 'Help friends at once',
  all: 'Help everyone at once',
};

export const acceptHelp: Record<Lending['accept'], string> = {
  ask: 'You decide about each request.',
  friends: 'Friends are helped without a question; strangers still have to ask.',
  all: 'Whoever asks, on this network or in your groups, is helped without a question.',
};

export const asks: Record<AskChoice, string> = {
  none: 'Nobody',
  friends: 'Friends',
  everyone: 'Everyone',
};

export const askHelp: Record<AskChoice, string> = {
  none: 'You can still ask later, in the details of the download.',
  friends:
    'Friends who lend are asked. With https they carry your encrypted connection wherever they can; one who cannot learns the link if its SHA-256 is given. An http or ftp link they learn. A link with a “?” in it is not passed on by itself.',
  everyone:
    'Strangers on this network and in your groups are asked too. With https they only carry your encrypted connection; an http or ftp link they learn only where its SHA-256 is given. With a login only friends are asked, to carry.',
};

/** How others are found: what the choice is called … */
export const meetings: Record<Together['meeting'], string> = {
  automatic: 'Automatic',
  lan_only: 'This network only',
  server_only: 'Groups only',
};

/** … and what it means. */
export const meetingHelp: Record<Together['meeting'], string> = {
  automatic: 'On this network by multicast, and beyond its routers in the groups that you are in.',
  lan_only:
    'On this network by multicast alone. No server hears of this device; whoever is behind a router is not found.',
  server_only: 'In your groups alone. Nothing is announced on this network.',
};

/** What keeps this device from getting more by itself. */
export const limits = {
  address: 'More connections bring nothing more: it is this server’s limit, or your line’s.',
  connections: 'The server refuses more connections.',
} satisfies Record<LimitView, string>;

export const lending = {
  on: 'Lending is on',
  off: 'Lending is off',
  label: 'Lend my line to others',
  offHelp: 'Nobody can ask you for help',
  idle: 'Nothing is lent right now',
  now: (throughput: string) => `${throughput} lent right now`,
  switchOn: 'Switch lending on',
  title: 'Helping others',
  /** Before the choices: whom to help without being asked each time. */
  atOnce: 'Help without asking me',
  choices: { ask: 'Nobody', friends: 'Friends', all: 'Everyone' } satisfies Record<
    Lending['accept'],
    string
  >,
  private: 'Also fetch from private addresses',
  privateHelp: 'Servers inside your own network. Leave it off where you do not trust all of it.',
  /** Of `daily`; without a bound `todayAll`. */
  today: (lent: string, daily: string) => `${lent} of ${daily} today`,
  todayAll: (lent: string) => `${lent} today`,
  never: 'Never lend for these servers',
  neverHelp:
    'One a line; what is beneath them is meant too. At first these are platforms that your address alone lets in, such as those of publishers.',
  neverSave: 'Save list',
  neverRevert: 'Revert',
  neverWrong: 'The list is not saved.',
  neverSaved: 'Saved',
  firstTitle: 'Lend your line to others?',
  firstText:
    'Others on this network and in your groups may then ask you to help with a download. You decide about each request, nothing is stored on your disk, and the switch ends everything at once. No more than this is lent:',
  firstLater: 'You can change this at any time in the settings.',
  firstCancel: 'Leave it off',
};

/** On what terms this device helps. */
export const terms = {
  daily: 'Budget a day',
  rate: 'Rate limit',
  hours: 'Hours',
  limited: 'Only from',
  from: 'from',
  to: 'to',
  gb: 'GB',
  mbs: 'MB/s',
  noBound: 'no limit',
  asForAll: 'as for all',
  wrong: {
    daily: 'The budget is a number of GB, such as 10 or 0.5; leave it empty for none.',
    rate: 'The limit is a number of MB/s, such as 12.5; leave it empty for none.',
    from: 'A time of day looks like 22:00.',
    to: 'A time of day looks like 22:00.',
  },
  /** Together a sentence in short. */
  aDay: (bytes: string) => `up to ${bytes} a day`,
  atMost: (throughput: string) => `at most ${throughput}`,
  between: (from: string, to: string) => `from ${from} to ${to}`,
  none: 'as much as for all',
  unbounded: 'without a limit',
  and: (parts: string[]) => parts.join(', '),
};

export const rules = {
  people: 'People',
  tab: 'Rules',
  forAll: 'For all together',
  change: 'Change…',
  always: 'Helped always',
  alwaysNone: 'Nobody. “Help always” with a request, or in the menu of a friend, makes a rule.',
  alwaysOff: 'Lending is off: nobody is helped until it is on.',
  blocked: 'Blocked devices',
  blockedNone: 'None. A blocked device cannot ask you, and you do not ask it.',
  unnamed: 'without a name',
  today: (lent: string) => `${lent} today`,
  edit: 'Edit…',
  remove: 'Remove',
  unblock: 'Unblock',
  editOf: (name: string) => `Edit the rule for ${name}`,
  removeOf: (name: string) => `Remove the rule for ${name}`,
  unblockOf: (name: string) => `Unblock ${name}`,
  newTitle: (name: string) => `Always help ${name}?`,
  editTitle: (name: string) => `Always help ${name}`,
  text: (name: string) =>
    `${name} is helped from now on without asking you, each day on these terms:`,
  within: (terms: string) => `Never more than you lend to all together: ${terms}.`,
  thisToo: 'The request that waits is accepted with it.',
  submitNew: 'Help always',
  submitEdit: 'Save',
  cancel: 'Cancel',
};

export const pairing = {
  title: 'Pair with a device',
  text: 'Pairing makes sure that a device is the one of somebody you know: you both compare six digits on your screens. Use it on the other device too, or wait there.',
  who: 'Address or device id',
  whoHelp: 'For instance 10.42.3.17 or 10.42.3.17:26269',
  submit: 'Pair',
  cancel: 'Cancel',
  same: 'The same',
  notSame: 'Not the same',
  code: (digits: string) => `The digits are ${digits}`,
  begins: (name: string) => `${name} wants to pair with this device.`,
  close: 'Close',
  again: 'Try again',
  stop: 'Cancel',
  wrong: 'Pairing did not begin.',
  over: 'This pairing is over already.',
};

export const block = {
  title: (name: string) => `Block ${name}?`,
  text: (name: string) =>
    `${name} cannot ask you for help any more and is not asked by you; what runs between you ends at once. A friendship and a rule end too. You can unblock under Friends, Rules.`,
  confirm: 'Block',
  cancel: 'Cancel',
};

export const removeFriend = {
  title: (name: string) => `Remove ${name} from your friends?`,
  text: (name: string) =>
    `${name} is a stranger again: it has to ask as everybody else, and its rule and pairing are gone. What you help it with ends, and so does its help for your downloads.`,
  confirm: 'Remove friend',
  cancel: 'Keep',
};

export const friends = {
  title: 'Friends',
  online: (n: string) => `${n} online`,
  thisDevice: 'This device, as others see it',
  id: 'Device id',
  copy: 'Copy the device id',
  copied: 'Copied',
  friend: 'Friend',
  stranger: 'No friend yet',
  ruled: 'helped always',
  /** How it was found … */
  byLan: 'on this network',
  byKnown: 'known from before',
  byGroup: (group: string) => `listed in ${group}`,
  /** … and where it was reached. */
  reachedAt: (address: string) => `reached at ${address}`,
  called: 'it called this device',
  /** Opens what can be done about somebody who is listed and cannot be reached. */
  why: 'Why, and what to do',
  paired: 'Paired: you compared the digits on both screens',
  otherKey: (name: string) =>
    `Another device answers where ${name} was. Nothing is sent to it. Ask ${name}: if that device was set up anew, remove the friend and pair again; otherwise somebody may pretend to be it.`,
  more: (name: string) => `More for ${name}`,
  pairWith: 'Pair with an address…',
  menu: {
    pair: 'Pair…',
    always: 'Help always…',
    rule: 'Edit rule…',
    unrule: 'Remove rule',
    remove: 'Remove friend…',
    block: 'Block…',
  },
  lends: 'lends',
  doesNotLend: 'does not lend',
  isOnline: 'online',
  isOffline: 'offline',
  isOut: 'not reached',
  helps: (n: number) => (n === 1 ? 'helps you with 1 download' : `helps you with ${n} downloads`),
  emptyTitle: 'Nobody else is here yet',
  /** In no group. */
  emptyText:
    'Whoever runs Manyhands on this network is found without any set-up. Routers do not pass that on: with people in other buildings, subnets or Wi-Fis you meet in a group.',
  emptyListed:
    'Nobody else of your groups is online right now, and nobody is seen on this network.',
  emptyListedOnly: 'Nobody else of your groups is online right now.',
  emptyLanOnly:
    'Others are looked for on this network alone, so nobody in your groups is found. The settings change that.',
  emptyServerOnly:
    'Others are looked for in groups alone, and you are in none. Join one, make one, or let this network be searched: the settings change that.',
  emptyTrouble:
    'The servers of your groups cannot be used now, so nobody is found there. Groups says why.',
  emptyUnreached:
    'Others of your groups are online, but none of them is reached yet: a firewall may be in between, or a network that keeps its clients apart. Groups says more.',
  emptyConnecting:
    'The servers of your groups are still being connected to; nobody else is seen yet.',
  checks: 'If somebody on this network is missing, check:',
  check: {
    network:
      'Both computers are on the same network, with no router between. Guest networks often keep them apart.',
    firewall: (port: number) =>
      `No firewall stands between: TCP port ${port}, and UDP port 5353 by which others are found.`,
    lending: 'Lending is switched on here and there: only who lends can be asked for help.',
  },
};

export const requests = {
  title: 'Requests',
  asks: (name: string) => `${name} asks for help`,
  /** Under the name. */
  friend: 'A friend',
  stranger: 'A stranger',
  file: 'File',
  unnamed: 'Its name is told to friends only',
  unnamedShort: 'a file',
  how: 'How',
  servers: (n: number): string => (n === 1 ? 'Server' : 'Servers'),
  cost: 'Cost',
  upTo: (bytes: string) => `up to ${bytes} of your line`,
  address: (n: number): string =>
    n === 1 ? 'This server will see your address.' : 'These servers will see your address.',
  from: (servers: string) => `from ${servers}`,
  left: (duration: string) => `${duration} left to answer`,
  help: 'Help',
  helpAlways: 'Help always…',
  notNow: 'Not now',
  block: 'Block',
  /** After several refusals. */
  offerBlock: 'You have declined this device several times. Block it if it is a nuisance.',
  /** Under what it costs to help a stranger. */
  befriends: (name: string) => `If you help, ${name} becomes a friend.`,
  /** Beside the heading, and read out. */
  waiting: (n: number) => (n === 1 ? '1 waits for your answer' : `${n} wait for your answer`),
  more: (n: number) => `+${n} more`,
  over: 'This request is over already, or you help as many as you can at once.',
  nothingStored: 'Nothing is stored on your disk, and you can stop at any moment.',
  emptyTitle: 'No requests',
  /** `rule`: who is helped without a question. */
  emptyText: (rule: string) =>
    `Requests for help with a download that wait for your answer are shown here, each for a minute. ${rule}`,
  offTitle: 'Lending is off',
  offText: (rule: string) =>
    `While it is off nobody can ask you for help. Switched on, others may ask you to bring a part of a file over your line. ${rule}`,
};

export const helping = {
  title: 'Helping',
  withFile: (file: string) => `with ${file}`,
  unnamed: 'with a file whose name was not told',
  from: (servers: string) => `from ${servers}`,
  sent: (sent: string, budget: string) => `${sent} of at most ${budget}`,
  progress: (name: string) => `Sent to ${name}`,
  stop: 'Stop',
  nothingStored: 'The bytes only pass through: nothing of this is stored on your disk.',
  emptyTitle: 'You help nobody right now',
  emptyText:
    'When you accept a request, this computer brings a part of the file from the server and hands it on at once. Nothing is stored on your disk, and you can stop at any moment.',
};

export const ask = {
  title: 'Ask for help',
  text: (name: string) =>
    `They bring a part of ${name} over their own line. Whoever only carries your encrypted connection learns the servers, whoever fetches learns the link.`,
  friend: 'Friend',
  stranger: 'No friend yet',
  doesNotLend: 'does not lend',
  /** In the one way that is wished. */
  notSo: 'cannot help so',
  how: (wish: string) => `How they help: ${wish}`,
  before: (state: string) => `last time: ${state}`,
  strangers: (names: string) =>
    `${names}: no friend yet. To ask means that they may learn this link, and once they help they are a friend.`,
  strangersCarry: (names: string) =>
    `${names}: no friend yet. They learn the servers and the size, not the link and not the content; once they help they are a friend.`,
  and: (names: string[]) => names.join(', '),
  nobody: 'Nobody is there to be asked right now.',
  submit: (n: number) => `Ask ${n}`,
  cancel: 'Cancel',
  /** Heads the answers of those who were asked. */
  asked: 'Asked',
  offer: (friends: number, others: number) => {
    const friendly = friends === 1 ? '1 friend' : `${friends} friends`;
    const strange = others === 1 ? '1 other' : `${others} others`;
    if (others === 0) return `${friendly} ${friends === 1 ? 'is' : 'are'} online and could help.`;
    if (friends === 0) return `${strange} ${others === 1 ? 'is' : 'are'} online and could help.`;
    return `${friendly} and ${strange} are online and could help.`;
  },
};
