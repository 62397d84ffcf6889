/** Groups at rendezvous servers: who is listed, who is reached, and why not. */
import type { NoWay, ServerTrouble } from '../types';

/**
 * Why somebody who is listed cannot be reached: in a few words, as a heading, and what can be done. `port`: theirs;
 * `own`: this device's.
 */
export const noWays: Record<
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
export const serverTroubles: Record<
  ServerTrouble,
  { title: string; text: (port: string) => string }
> = {
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
  too_many: {
    title: 'This group is not used',
    text: () =>
      'This device is in groups of more than 16 servers, and that many are used. Leave the groups of a server that you no longer need.',
  },
};

/** Groups at rendezvous servers. */
export const groups = {
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
  /** The server has tried to call this device. `port`: where it listens. */
  notCallable: (port: string) =>
    `The server could not open a connection to this computer: a firewall here, or a router in between. Members who cannot reach it ask it, through the server, to call them. Letting TCP port ${port} in, here and in the router, makes that unnecessary.`,
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
};

export const join = {
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
    'no-invite': 'This is no invite. It begins with manyhands://join? and has to be copied whole.',
    'later-version': 'This invite was made by a later version of Manyhands: update this one.',
    'bad-server': 'The invite names no server that makes sense. Ask for a new one.',
  },
};

export const make = {
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
};

export const invite = {
  titleOf: (name: string) => `Invite to ${name}`,
  text: 'Whoever has this link or this picture is a member. Give it only to people whom you want in the group, and do not post it in public.',
  qr: (name: string) => `The invite to ${name} as a QR code`,
  link: 'Link',
  copy: 'Copy link',
  copied: 'Copied',
  rotate: 'New invite…',
  close: 'Done',
};

export const leave = {
  title: (name: string) => `Leave ${name}?`,
  text: 'You are not listed there any more, and do not see who is. Friends stay friends. To come back you need the invite: keep the link if nobody else has it.',
  confirm: 'Leave',
  cancel: 'Stay',
};

export const rotate = {
  title: (name: string) => `Make a new invite to ${name}?`,
  text: 'The old one ends: whoever has only that sees you no longer and is not seen by you. Everybody else of the group needs the new link from you, so this is also how somebody is removed.',
  confirm: 'Make a new invite',
  cancel: 'Keep the old one',
};
