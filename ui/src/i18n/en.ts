import type { AskChoice } from '../state/choices';
import type { HelpWish } from '../state/together';
import type {
  Action,
  Filter,
  HelpReason,
  HelpState,
  Lending,
  LimitView,
  NoWay,
  PairingState,
  RowState,
  ServerTrouble,
  Together,
  VerificationView,
} from '../types';
import { failures, whats } from './failures.en';

const verifications: Record<VerificationView, string> = {
  verified: 'verified',
  'from-server': 'from the server, untouched',
  consistent: 'consistent',
  unchecked: 'unchecked',
};

const verificationHelp: Record<VerificationView, string> = {
  verified: 'The whole file has the SHA-256 that was known before.',
  'from-server':
    'Every byte came from the server over an encrypted connection: your own, or one that a helper only carried and could not change.',
  consistent: 'All answers of the server spoke of the same file; nothing proves its bytes.',
  unchecked: 'The server said nothing by which the file could be checked.',
};

const states: Record<RowState, string> = {
  queued: 'Waiting',
  connecting: 'Connecting',
  downloading: 'Downloading',
  finishing: 'Finishing',
  paused: 'Paused',
  completed: 'Done',
  failed: 'Failed',
};

const filters: Record<Filter, string> = {
  all: 'All',
  active: 'Active',
  queued: 'Waiting',
  done: 'Done',
};

const actions: Record<Action, string> = {
  pause: 'Pause',
  resume: 'Resume',
  remove: 'Remove',
  open_folder: 'Show in folder',
};

/** What a peer that was asked said. */
const helpStates: Record<HelpState, string> = {
  asked: 'asked',
  accepted: 'helps',
  declined: 'not now',
  expired: 'no answer',
  lost: 'out of reach',
  ended: 'has stopped',
};

/** Why a peer does not help, or no more. Stands under its name. */
const helpReasons: Record<HelpReason, string> = {
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
const modes: Record<'relay' | 'fetch', string> = { relay: 'relay', fetch: 'fetch' };

/** … as the one who is helped sees it … */
const modeHelp: Record<'relay' | 'fetch', string> = {
  relay: 'Carries your encrypted connection; can neither see nor change what is in it.',
  fetch: 'Downloads a part for you and passes it on.',
};

/** … what a candidate would learn … */
const learns: Record<'relay' | 'fetch', string> = {
  relay: 'learns the servers and the size',
  fetch: 'learns the link',
};

/** … and as the helper is told before it helps. */
const modeAsks: Record<'relay' | 'fetch', string> = {
  relay:
    'Your computer carries an encrypted connection: you can neither see nor change what is in it.',
  fetch: 'Your computer downloads it in your name and passes it on.',
};

/** How a pairing stands: a heading, and what it means. `name` is the other device. */
const pairingStates: Record<
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

/** How those who are asked are to help: what the choice is called … */
const helpWishes: Record<HelpWish, string> = {
  auto: 'Automatic',
  relay: 'Only carry',
  fetch: 'Only fetch',
};

/** … and what it means. */
const helpWishHelp: Record<HelpWish, string> = {
  auto: 'They carry your encrypted connection where that is possible, and fetch where it is not.',
  relay:
    'They only pass your encrypted connection on: they learn neither link nor content. It needs https.',
  fetch:
    'They download from the server themselves, so they learn the link. What they bring is proved only where its SHA-256 is known.',
};

const accepts: Record<Lending['accept'], string> = {
  ask: 'Ask me each time',
  friends: 'Help friends at once',
  all: 'Help everyone at once',
};

const acceptHelp: Record<Lending['accept'], string> = {
  ask: 'You decide about each request.',
  friends: 'Friends are helped without a question; strangers still have to ask.',
  all: 'Whoever asks, on this network or in your groups, is helped without a question.',
};

const asks: Record<AskChoice, string> = {
  none: 'Nobody',
  friends: 'Friends',
  everyone: 'Everyone',
};

const askHelp: Record<AskChoice, string> = {
  none: 'You can still ask later, in the details of the download.',
  friends:
    'Friends who lend are asked. With https they carry your encrypted connection wherever they can; one who cannot learns the link if its SHA-256 is given. An http or ftp link they learn. A link with a “?” in it is not passed on by itself.',
  everyone:
    'Strangers on this network and in your groups are asked too. With https they only carry your encrypted connection; an http or ftp link they learn only where its SHA-256 is given. With a login only friends are asked, to carry.',
};

/** How others are found: what the choice is called … */
const meetings: Record<Together['meeting'], string> = {
  automatic: 'Automatic',
  lan_only: 'This network only',
  server_only: 'Groups only',
};

/** … and what it means. */
const meetingHelp: Record<Together['meeting'], string> = {
  automatic: 'On this network by multicast, and beyond its routers in the groups that you are in.',
  lan_only:
    'On this network by multicast alone. No server hears of this device; whoever is behind a router is not found.',
  server_only: 'In your groups alone. Nothing is announced on this network.',
};

/**
 * Why somebody who is listed cannot be reached: in a few words, as a heading, and what can be done. `port`: theirs;
 * `own`: this device's.
 */
const noWays: Record<
  NoWay,
  { short: string; title: string; text: (port: string, own: string) => string }
> = {
  no_answer: {
    short: 'listed, but nothing answers',
    title: 'Listed, but nothing answers',
    text: (port) =>
      `Either a firewall on the other computer swallows the call: there Manyhands has to be let in on TCP port ${port}. Or the Wi-Fi of one of you keeps its devices apart, as guest and campus networks often do: a cable or another Wi-Fi helps.`,
  },
  refused: {
    short: 'listed, but the computer refuses',
    title: 'Listed, but the other computer refuses',
    text: (port) =>
      `Manyhands has most likely just ended there, and goes off the list within minutes. If it does run, a firewall on that computer refuses TCP port ${port}: it has to let Manyhands in.`,
  },
  no_route: {
    short: 'listed, but no way leads there',
    title: 'Listed, but no way leads there from here',
    text: () =>
      'Your networks are not joined, or one has only IPv6 and the other only IPv4. Being on the same campus network or VPN helps.',
  },
  other_device: {
    short: 'listed, but another device answers',
    title: 'Listed, but another device answers there',
    text: () =>
      'The address belongs to another device by now, or somebody pretends to be them. Nothing was sent to it. It comes right by itself when the new address is listed; if it does not, Manyhands has to be started again there.',
  },
  no_address: {
    short: 'listed without an address',
    title: 'Listed without an address',
    text: (_port, own) =>
      `The other computer has no address at which it could be called. It can still call you: see that your own firewall lets Manyhands in on TCP port ${own}.`,
  },
};

/** Why a rendezvous server is of no use now, and what can be done. `port`: the server's. */
const serverTroubles: Record<ServerTrouble, { title: string; text: (port: string) => string }> = {
  unknown_name: {
    title: 'The server’s name leads nowhere',
    text: () =>
      'Check your network connection. If it works otherwise, ask whoever runs the server: with another name everybody needs a new invite.',
  },
  no_answer: {
    title: 'The server does not answer',
    text: (port) =>
      `It may be down, or something on the way blocks TCP port ${port}. Nothing that runs is stopped by it, and friends whose address is known are still reached.`,
  },
  other_key: {
    title: 'Another server answers there',
    text: () =>
      'It has not the key that the invite names, so it is not told where this device is. Ask whoever runs the server: set up anew it needs new invites; otherwise somebody pretends to be it. The sign-in page of a Wi-Fi does this too: open any web page first.',
  },
  no_server: {
    title: 'What answers there is no rendezvous server',
    text: () =>
      'It may be of another version, or not have been started. Ask whoever runs it, and see that Manyhands is up to date.',
  },
  clock: {
    title: 'The clocks differ too much',
    text: () =>
      'The time of this computer and that of the server are minutes apart. Let the system set the time by itself, here and there.',
  },
  busy: {
    title: 'The server is busy',
    text: () => 'It takes nobody in at the moment.',
  },
  refused: {
    title: 'The server refuses this device',
    text: () =>
      'It does not accept what this device says of itself. See that Manyhands is up to date; if it is, ask whoever runs the server.',
  },
  plain_http: {
    title: 'The connection would not be encrypted',
    text: () =>
      'The server’s address begins with http://. Ask whoever runs it for one with https://. Where something else takes care of encryption, start Manyhands with --insecure-http.',
  },
};

/** The English texts, and with them the shape of every catalogue. */
export const en = {
  /** Passed to `Intl` and to the `lang` of the page. */
  locale: 'en',
  /** What the language calls itself. */
  self: 'English',
  /** Between two sentences. */
  gap: ' ',

  units: {
    bytes: ['B', 'kB', 'MB', 'GB', 'TB'] as [string, string, string, string, string],
    perSecond: '/s',
    seconds: (n: string) => `${n} s`,
    minutes: (n: string) => `${n} min`,
    hours: (h: string, min: string) => `${h} h ${min} min`,
    days: (d: string, h: string) => `${d} d ${h} h`,
  },

  toolbar: {
    addUrl: 'Add URL',
    pauseAll: 'Pause all',
    resumeAll: 'Resume all',
    throughput: 'Throughput of all downloads',
    search: 'Search downloads',
    askFriends: 'Ask friends',
    askFriendsHelp: 'Ask others to help with the selected download',
    askNobody: 'Select a download that runs while others are online',
    lent: (throughput: string) => `lent ${throughput}`,
    lentHelp: 'What others get over your line now',
  },
  sidebar: {
    downloads: 'Downloads',
    together: 'Together',
    friends: 'Friends',
    requests: 'Requests',
    helping: 'Helping',
    online: 'Online now',
    settings: 'Settings',
    label: 'What to show',
    alone: 'Working alone',
  },
  filters,
  actions,
  states,
  verifications,
  verificationHelp,
  failures,
  whats,
  helpStates,
  accepts,
  acceptHelp,
  helpReasons,
  modes,
  modeHelp,
  modeAsks,
  helpWishes,
  helpWishHelp,
  learns,
  pairingStates,
  asks,
  askHelp,
  meetings,
  meetingHelp,
  noWays,
  serverTroubles,

  list: {
    label: 'Downloads',
    of: (done: string, total: string) => `${done} of ${total}`,
    left: (duration: string) => `${duration} left`,
    progress: (name: string) => `Progress of ${name}`,
    more: (name: string) => `More for ${name}`,
    you: 'you',
    sha256: 'SHA-256',
    loading: 'Loading',
    connecting: 'asking the server',
    trying: 'trying again',
  },

  empty: {
    title: 'Paste a link to begin',
    text: 'Copy the link of a file anywhere, then press Ctrl+V here. You can also drop links on this window.',
    action: 'Add URL',
    nothing: 'Nothing here',
    nothingOf: {
      all: 'There are no downloads.',
      active: 'Nothing is being downloaded right now.',
      queued: 'Nothing waits: no download is queued, paused or failed.',
      done: 'Nothing has been finished yet.',
    } satisfies Record<Filter, string>,
    noMatch: (search: string) => `No download matches “${search}”.`,
  },

  add: {
    title: 'Add downloads',
    links: 'Links',
    linksHelp: 'One a line: http, https or ftp',
    linksPlaceholder: 'https://example.org/file.iso',
    count: (n: number) => (n === 1 ? '1 link' : `${n} links`),
    folder: 'Folder',
    browse: 'Browse…',
    folderRelative: 'Give the whole path of the folder, beginning with /.',
    more: 'More options',
    name: 'File name',
    nameHelp: 'Otherwise the server’s',
    nameSingle: 'Only for a single link',
    sha256: 'SHA-256',
    sha256Help: '64 digits and letters a to f; the finished file is checked against it',
    connections: 'Connections to the server',
    connectionsHelp: 'At most; fewer are opened when more do not pay',
    submit: (n: number) => (n <= 1 ? 'Download' : `Download ${n} files`),
    headers: 'Headers',
    headersPlaceholder: 'Cookie: session=…',
    headersHelp:
      'One “Name: value” a line, such as the cookie of a login. For the server of the link alone: helpers never see them.',
    badHeader: (line: number, text: string) =>
      `Line ${line} of the headers is no “Name: value”: ${text}`,
    severalHosts:
      'Headers are for one server; these links lead to several. Add them one after the other.',
    login: 'The link carries a login. It stays on this computer: no helper learns it.',
    cancel: 'Cancel',
    badLine: (line: number, text: string) =>
      `Line ${line} is no link that can be downloaded: ${text} – links begin with http://, https:// or ftp://.`,
    noLinks: 'Paste at least one link.',
    tooMany: (max: number) => `At most ${max} links at once.`,
    ask: 'Ask for help',
    partly: (added: number, left: number) =>
      `${added} added. ${left === 1 ? 'This one was' : `These ${left} were`} not:`,
  },

  remove: {
    title: (name: string) => `Remove ${name}?`,
    text: (bytes: string) => `It is not finished. The ${bytes} that have arrived are deleted.`,
    confirm: 'Remove',
    cancel: 'Keep',
  },

  details: {
    label: 'Details',
    overview: 'Overview',
    log: 'Log',
    file: 'File',
    close: 'Close details',
    resize: 'Height of the details',
    pieces: 'Pieces',
    piecesOf: (count: string, size: string) => `${count} pieces of ${size}`,
    piecesUnknown: 'The server has not said how long the file is.',
    pieceMap: (percent: string) =>
      `Piece map, ${percent} there, coloured by who brought each piece`,
    cell: (percent: string, who: string) => `${percent} · ${who}`,
    nobody: 'nobody yet',
    throughput: 'Throughput',
    graph: (now: string) => `Throughput by source over the last two minutes, now ${now}`,
    past: (duration: string) => `${duration} ago`,
    now: 'now',
    noHistory: 'No bytes in the last two minutes',
    sources: 'Sources',
    you: 'You',
    ownLine: 'own line',
    helper: 'helper',
    connections: (n: number) => (n === 1 ? '1 connection' : `${n} connections`),
    noSources: 'No source yet',
    noLog: 'Nothing has happened yet.',
    url: 'Link',
    path: 'Saved as',
    size: 'Size',
    sizeUnknown: 'not known yet',
    state: 'State',
    check: 'Check',
    time: 'Time spent',
    digest: 'SHA-256',
    login: 'Add with a login…',
    loginHelp:
      'If the page wants a login, copy its cookie from the browser and add the link again with it.',
  },

  /** What keeps this device from getting more by itself. */
  limits: {
    address: 'More connections bring nothing more: it is this server’s limit, or your line’s.',
    connections: 'The server refuses more connections.',
  } satisfies Record<LimitView, string>,

  lending: {
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
  },

  /** On what terms this device helps. */
  terms: {
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
  },

  rules: {
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
  },

  pairing: {
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
  },

  block: {
    title: (name: string) => `Block ${name}?`,
    text: (name: string) =>
      `${name} cannot ask you for help any more and is not asked by you; what runs between you ends at once. A friendship and a rule end too. You can unblock under Friends, Rules.`,
    confirm: 'Block',
    cancel: 'Cancel',
  },
  removeFriend: {
    title: (name: string) => `Remove ${name} from your friends?`,
    text: (name: string) =>
      `${name} is a stranger again: it has to ask as everybody else, and its rule and pairing are gone. What you help it with ends, and so does its help for your downloads.`,
    confirm: 'Remove friend',
    cancel: 'Keep',
  },

  friends: {
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
  },

  /** Groups at rendezvous servers. */
  groups: {
    tab: 'Groups',
    intro:
      'In a group people find each other across routers. A rendezvous server keeps the list of who is online; it learns no link and no file, and no download passes through it.',
    join: 'Join a group…',
    make: 'Make a group…',
    emptyTitle: 'You are in no group',
    invite: 'Show invite',
    more: (name: string) => `More for ${name}`,
    menu: { rotate: 'New invite…', leave: 'Leave group…' },
    unnamed: 'Group without a name',
    off: 'not used',
    connecting: 'connecting',
    online: 'connected',
    trouble: 'no connection',
    offText: 'The settings say that others are looked for on this network alone.',
    change: 'Settings…',
    retry: (duration: string) => `Tried again in ${duration}.`,
    retryNow: 'Being tried again.',
    stillKnown: 'Who was listed last:',
    /** Beside the name. */
    reached: (reached: string, listed: string) => `${reached} of ${listed} reached`,
    nobody: 'Nobody else is listed right now. Whoever has the invite and is online appears here.',
    members: (name: string) => `Members of ${name}`,
    member: {
      reached: 'reached',
      called: 'called this device',
      trying: 'being called',
      listed: 'listed',
      ringing: 'asked to call here',
    },
    friend: 'Friend',
    stranger: 'No friend yet',
    /** On the page of people, where the servers of some groups are of no use. */
    troubleOf: (group: string, trouble: string) => `${group}: ${trouble}`,
    look: 'Look',
    and: (names: string[]) => names.join(', '),
    wrong: 'This did not work.',
    cancel: 'Cancel',
    server: 'Server',
    serverId: 'Server id',
    plain:
      'The connection to this server is not encrypted: whoever is between can see who is online, and from where. Nobody can pass for somebody else even so.',
  },

  join: {
    title: 'Join a group',
    titleOf: (name: string) => `Join ${name}?`,
    field: 'Invite',
    fieldHelp: 'Somebody who is in the group gives it to you: a link that begins with manyhands://',
    group: 'Group',
    seenAs: 'Seen as',
    sees: (name: string) =>
      `Whoever is in the group sees when this device is online, its name “${name}” and its addresses, and may ask you for help. The server sees when and from where you are online.`,
    notUsed:
      'The settings say that others are looked for on this network alone: nobody is found in the group until that is changed.',
    submit: 'Join',
    joined: (name: string) => `You are in ${name}`,
    joinedText: 'Whoever is online appears in a moment.',
    noNetwork: 'Groups need the network, which cannot be used now.',
    wrong: {
      'no-invite':
        'This is no invite. It begins with manyhands://join? and has to be copied whole.',
      'later-version': 'This invite was made by a later version of Manyhands: update this one.',
      'bad-server': 'The invite names no server that makes sense. Ask for a new one.',
    },
  },

  make: {
    title: 'Make a group',
    text: 'You need a rendezvous server: somebody at your school runs one, or you start manyhands-rendezvous yourself on a computer that everybody can reach.',
    name: 'Name',
    nameHelp: 'Members see it',
    address: 'Address of the server',
    addressHelp: 'For instance rendezvous.example.edu or 10.8.0.5:8470',
    next: 'Next',
    looking: 'Asking the server…',
    checkTitle: 'Is this the server?',
    checkText:
      'Compare this id with the one that the server printed when it was started. If it is another, somebody is between you and the server: go back.',
    publicCertificate: 'Its certificate is checked like that of a web site, too.',
    back: 'Back',
    submit: 'It is the same: make the group',
  },

  invite: {
    titleOf: (name: string) => `Invite to ${name}`,
    text: 'Whoever has this link or this picture is a member. Give it only to people whom you want in the group, and do not post it in public.',
    qr: (name: string) => `The invite to ${name} as a QR code`,
    link: 'Link',
    copy: 'Copy link',
    copied: 'Copied',
    rotate: 'New invite…',
    close: 'Done',
  },

  leave: {
    title: (name: string) => `Leave ${name}?`,
    text: 'You are not listed there any more, and do not see who is. Friends stay friends. To come back you need the invite: keep the link if nobody else has it.',
    confirm: 'Leave',
    cancel: 'Stay',
  },
  rotate: {
    title: (name: string) => `Make a new invite to ${name}?`,
    text: 'The old one ends: whoever has only that sees you no longer and is not seen by you. Everybody else of the group needs the new link from you, so this is also how somebody is removed.',
    confirm: 'Make a new invite',
    cancel: 'Keep the old one',
  },

  requests: {
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
  },

  helping: {
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
  },

  ask: {
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
  },

  quit: {
    title: 'Quit Manyhands?',
    text: 'There is no tray to stay in. Downloads stop now, and go on at the next start.',
    helping: (n: number) =>
      n === 1
        ? 'You are helping somebody; they go on without you.'
        : `You are helping ${n} others; they go on without you.`,
    confirm: 'Quit',
    cancel: 'Keep running',
  },

  /** The lines of the log by their English text; what is not here is shown as it came. */
  logLines: {
    'Waits for its turn.': 'Waits for its turn.',
    'Asks the server.': 'Asks the server.',
    'Downloads.': 'Downloads.',
    'All bytes are there; finishes the file.': 'All bytes are there; finishes the file.',
    'Paused.': 'Paused.',
    'Completed.': 'Completed.',
    'Failed.': 'Failed.',
  },

  settings: {
    title: 'Settings',
    appearance: 'Appearance',
    themes: { system: 'As the system', light: 'Light', dark: 'Dark' },
    language: 'Language',
    languageSystem: 'As the system',
    meeting: 'Where others are looked for',
    meetingNoGroup: 'You are in no group: nobody is found this way.',
    close: 'Done',
  },

  notices: {
    dropHere: 'Drop links to download, or an invite',
    noLinks: 'There is no link in what was pasted.',
    noLinksDropped: 'There is no link in what was dropped.',
    noLinkBrought: 'What Manyhands was opened with is neither an invite nor a link.',
    cannotShow: 'The file cannot be shown in its folder',
    alone: 'Manyhands works alone',
    aloneText: (why: string) => `Others cannot be met: ${why}`,
    nobodyThere: 'Nobody is online yet',
    nobodyThereText: 'Whoever appears within a minute is asked.',
    nobodyAsked: 'Nobody is there any more to be asked.',
    /** After the database was damaged. */
    recovered: 'The database was damaged',
    recoveredText: (downloads: string) =>
      `The list was rebuilt from its last good copy: ${downloads} downloads; unfinished ones begin anew.`,
    recoveredAside: (path: string) => `The damaged one was kept as ${path}.`,
    lost: 'Manyhands does not answer any more. Close the window and start it again.',
    close: 'Close',
  },
};

export type FailureText = keyof typeof failures;
export type WhatText = keyof typeof whats;
export type Catalogue = typeof en;
