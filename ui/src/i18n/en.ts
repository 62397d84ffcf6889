import type { Action, Filter, RowState, VerificationView } from '../types';
import { failures, whats } from './failures.en';
import * as groups from './groups.en';
import * as others from './others.en';

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

/** The English texts, and with them the shape of every catalogue. */
export const en = {
  /** Passed to `Intl` and to the `lang` of the page. */
  locale: 'en',
  /** What the language calls itself. */
  self: 'English',
  /** Between two sentences. */
  gap: ' ',
  /** What happened, and the same closer, in English. */
  quoted: (title: string, detail: string) => `${title}: “${detail}”.`,

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
  ...groups,
  ...others,

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
    piecesOf: (count: string, size: string) =>
      count === '1' ? `1 piece of ${size}` : `${count} pieces of ${size}`,
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
    recoveredText: (n: number, downloads: string) =>
      `The list was rebuilt from its last good copy: ${downloads} ${n === 1 ? 'download' : 'downloads'}; unfinished ones begin anew.`,
    recoveredAside: (path: string) => `The damaged one was kept as ${path}.`,
    lost: 'Manyhands does not answer any more. Close the window and start it again.',
    close: 'Close',
  },
};

export type FailureText = keyof typeof failures;
export type WhatText = keyof typeof whats;
export type Catalogue = typeof en;
