/** What goes wrong: in a few words, what the user can do, and what exactly happened. */

/** What the sentence of a failure is made of; what it does not name is empty. Amounts of bytes come with their unit. */
export type Parts = Record<
  | 'address'
  | 'before'
  | 'bytes'
  | 'detail'
  | 'digest'
  | 'encoding'
  | 'expected'
  | 'found'
  | 'free'
  | 'host'
  | 'most'
  | 'name'
  | 'now'
  | 'path'
  | 'port'
  | 'scheme'
  | 'seconds'
  | 'server'
  | 'status'
  | 'who',
  string
>;
type Sentence = (parts: Parts) => string;

/** What went wrong, in a few words, and what the user can do. `hint` is the sentence of `FailureCode::hint`. */
export const failures = {
  'bad-url': {
    title: 'This is no link',
    hint: 'Check the link: it should look like https://example.org/file.',
  },
  'unknown-scheme': {
    title: 'This kind of link cannot be downloaded',
    hint: 'Links that begin with http, https or ftp can be downloaded.',
  },
  'bad-name': {
    title: 'This cannot be the name of a file',
    hint: 'Choose a name without slashes and other special characters.',
  },
  'bad-digest': {
    title: 'This is no SHA-256',
    hint: 'Paste the whole SHA-256: 64 digits and letters a to f.',
  },
  'bad-header': {
    title: 'This is no header that can be sent',
    hint: 'Write one header a line, as in Cookie: name=value.',
  },
  'not-found': {
    title: 'The server has no such file',
    hint: 'Check the link, or look for a newer one on the page that it came from.',
  },
  'refused-by-server': {
    title: 'The server refuses',
    hint: 'The server wants a login or does not allow this. Open the page in a browser and copy the link again.',
  },
  'server-error': {
    title: 'The server has trouble',
    hint: 'The server has trouble. Try again later.',
  },
  'server-busy': {
    title: 'The server is busy',
    hint: 'The server asks for patience. Try again later, or with fewer connections.',
  },
  'name-not-found': {
    title: 'The server is not known',
    hint: "Check the spelling of the server's name and your network connection.",
  },
  'cannot-connect': {
    title: 'The server cannot be reached',
    hint: 'Check your network connection; the server may be down. Try again later.',
  },
  tls: {
    title: 'The connection is not safe',
    hint: "The server's certificate cannot be trusted. Check the clock of this computer and the link.",
  },
  interrupted: {
    title: 'The connection was lost',
    hint: 'What has arrived is kept. Start the download again to go on.',
  },
  redirects: {
    title: 'The link leads nowhere',
    hint: 'The link leads in a circle or to an address that is not allowed. Look for another link.',
  },
  'bad-answer': {
    title: 'The server answers nonsense',
    hint: 'The server sends answers that make no sense. Try again, or look for another link.',
  },
  changed: {
    title: 'The file on the server changed',
    hint: 'Start the download again to fetch the new file from its beginning; what has arrived is of the old one.',
  },
  'disk-full': {
    title: 'The disk is full',
    hint: 'Make room on the disk, then start the download again: what has arrived is kept.',
  },
  folder: {
    title: 'The folder cannot be written to',
    hint: 'Choose another folder, or change who may write to this one.',
  },
  'part-lost': {
    title: 'The unfinished file is gone',
    hint: 'Start the download again; it begins anew.',
  },
  'wrong-digest': {
    title: 'The SHA-256 is another one',
    hint: 'The file is kept beside it as NAME.mismatch. Check the digest, or download it again.',
  },
  paused: {
    title: 'Paused',
    hint: 'Start it again when you want the rest: what has arrived is kept.',
  },
  removed: {
    title: 'Removed',
    hint: 'Add the link again if you still want the file.',
  },
  profile: {
    title: 'The list of downloads cannot be saved',
    hint: 'Make room on the disk of your profile, or see to its rights, then start the download again.',
  },
  'no-host': {
    title: 'This is no host',
    hint: 'Write names such as example.org, or addresses, without https:// and without what follows the name.',
  },
  'too-many': {
    title: 'There are too many',
    hint: 'Take off some that you no longer need.',
  },
  blocked: {
    title: 'This device is blocked',
    hint: 'Unblock the device first.',
  },
  'peer-not-found': {
    title: 'This device cannot be found',
    hint: 'See that Manyhands runs there and that nothing between the two blocks its port; or give its address.',
  },
  'other-key': {
    title: 'Another device answers there',
    hint: 'Ask your friend, not over this network, whether its key is new. If so, remove the friend and pair anew, comparing the digits on both screens.',
  },
  'pairing-refused': {
    title: 'Pairing is asked for too often',
    hint: 'Wait ten minutes, then try again.',
  },
  'bad-invite': {
    title: 'This is no invite',
    hint: 'Copy the whole invite, from manyhands://join? to its end, or ask for a new one.',
  },
  'no-group': {
    title: 'There is no such group',
    hint: 'Look at the list of your groups.',
  },
  'no-rendezvous': {
    title: 'No rendezvous server answers there',
    hint: 'Give the address that the rendezvous server prints when it starts, such as https://rendezvous.example.org:8470.',
  },
  'server-key': {
    title: 'Another server answers there',
    hint: 'Ask whoever runs the server whether its key is new. If so, a new invite is needed; if not, somebody pretends to be the server.',
  },
  clock: {
    title: 'The clocks are too far apart',
    hint: 'Set the clock of this computer: date, time and time zone.',
  },
  'plain-http': {
    title: "The server's address is not encrypted",
    hint: 'Ask for an https:// address. Where somebody else takes care of encryption, start the program with --insecure-http.',
  },
  internal: {
    title: 'Something went wrong in Manyhands',
    hint: 'This is a mistake in Manyhands. Please report it; what has arrived is kept.',
  },
};

/** What exactly happened, by `What` of the core. What a system or a server said itself is quoted. */
export const whats = {
  'link-empty': () => 'The link is empty.',
  'link-long': () => 'The link is too long.',
  'link-space': () => 'There is a space or a line break in the link.',
  'link-no-server': () => 'The link names no server.',
  scheme: ({ scheme }) =>
    `Links that begin with ${scheme}: cannot be downloaded; http:, https: and ftp: can.`,
  'path-relative': ({ path }) => `${path} is not the whole path of a folder.`,
  'file-name': ({ name }) => `“${name}” cannot be the name of a file.`,
  'header-shape': () => 'A header is written as Name: value.',
  'header-name': ({ name }) => `“${name}” cannot be the name of a header.`,
  'header-value': ({ name }) => `The header ${name} has a character that cannot be sent.`,
  'header-long': ({ name }) => `The header ${name} is too long.`,
  'header-ours': ({ name }) => `The header ${name} is set by Manyhands itself.`,

  'name-not-found': ({ host }) => `The name ${host} cannot be found.`,
  'address-refused': ({ host, address }) => `${host} may not be connected to at ${address}.`,
  'no-answer': ({ host }) => `${host} does not answer.`,
  'connection-refused': ({ host }) => `${host} refuses the connection.`,
  unreachable: ({ host }) => `${host} cannot be reached from this network.`,
  'not-connected': ({ host }) => `${host} cannot be connected to.`,
  proxy: ({ host }) => `${host} cannot be reached through the proxy.`,
  'proxy-ftp': ({ host }) => `${host} cannot be reached through this proxy, as it speaks FTP.`,
  'certificate-name': ({ host }) =>
    `No secure connection to ${host}: its certificate belongs to another name.`,
  'certificate-issuer': ({ host }) =>
    `No secure connection to ${host}: its certificate is not from an authority that this computer trusts.`,
  'certificate-expired': ({ host }) =>
    `No secure connection to ${host}: its certificate has expired.`,
  'certificate-early': ({ host }) =>
    `No secure connection to ${host}: its certificate is not valid yet.`,
  'certificate-revoked': ({ host }) =>
    `No secure connection to ${host}: its certificate was revoked.`,
  'no-authorities': ({ host }) =>
    `No secure connection to ${host}: this computer has no certificates of authorities to check the server's with.`,
  'handshake-ended': ({ host }) => `No secure connection to ${host}: it ended the handshake.`,
  'not-secure': ({ host, detail }) => `No secure connection to ${host}: “${detail}”.`,
  missing: ({ host, status }) => `${host} does not have this file (status ${status}).`,
  denied: ({ host, status }) => `${host} does not allow this (status ${status}).`,
  busy: ({ host, status }) => `${host} is too busy (status ${status}).`,
  trouble: ({ host, status }) => `${host} has trouble (status ${status}).`,
  'no-file': ({ host, status }) => `${host} gives no file (status ${status}).`,
  'web-page': ({ host }) => `${host} sent a web page instead of the file.`,
  'range-ignored': ({ host }) => `${host} ignores ranges and sends the whole file.`,
  'length-changed': ({ host, before, now }) =>
    `The file on ${host} has ${now} now, and no longer ${before}.`,
  'tag-changed': ({ host }) => `The file on ${host} is another one now, as its ETag says.`,
  'time-changed': ({ host }) => `The file on ${host} has been changed since.`,
  'nothing-there': ({ host }) => `${host} has nothing at this place of the file.`,
  'wrong-range': ({ host }) => `${host} sent other bytes than were asked for.`,
  encoded: ({ host, encoding }) => `${host} sends the file in the encoding “${encoding}”.`,
  'bad-answer': ({ host }) => `${host} sent an answer that makes no sense.`,
  'redirect-loop': ({ host }) => `The link leads from ${host} in a circle.`,
  'redirect-too-many': ({ host }) => `The link leads from ${host} on and on.`,
  'redirect-downgrade': ({ host }) =>
    `The link leads from ${host} from a secure to an insecure connection.`,
  'redirect-scheme': ({ host }) =>
    `The link leads from ${host} to something that is neither http, https nor ftp.`,
  'redirect-nowhere': ({ host }) => `The link leads from ${host} nowhere.`,
  'not-agreed': ({ host }) => `The link leads from ${host} to a server that was not agreed to.`,
  damaged: ({ host }) => `What came over the connection to ${host} was damaged on the way.`,
  lost: ({ host }) => `The connection to ${host} was lost.`,
  stalled: ({ host, seconds }) => `${host} sent nothing for ${seconds} s.`,

  'read-only': ({ path }) => `${path} is on a read-only disk.`,
  'no-permission': ({ path }) => `You may not write to ${path}.`,
  'no-folder': ({ path }) => `There is a file where ${path} needs a folder.`,
  'name-long': ({ path }) => `The name is too long for this disk: ${path}`,
  'disk-full': ({ path }) => `There is no room left for ${path}.`,
  'file-gone': ({ path }) => `${path} is not there any more.`,
  disk: ({ path, detail }) => `This did not work with ${path}: “${detail}”.`,
  'no-room': ({ path, bytes, free }) =>
    `The file has ${bytes}, but ${path} has room for ${free} only.`,
  'many-alike': ({ path, name }) => `There are too many files called ${name} in ${path}.`,
  'part-changed': ({ path }) => `${path} was changed by another program; it is left as it is.`,
  'part-taken': ({ path }) => `${path} was taken away by another program.`,
  digest: ({ path, digest }) =>
    `The file has another SHA-256 than was given: ${digest}. It is kept as ${path}.`,
  'not-saved': ({ detail }) => `The state of the download cannot be saved: “${detail}”.`,
  profile: ({ detail }) => `The profile cannot be read or written: “${detail}”.`,

  'device-blocked': ({ name }) => `${name} is blocked.`,
  'too-many-rules': ({ most }) => `There are ${most} rules already.`,
  'too-many-blocked': ({ most }) => `There are ${most} blocked devices already.`,
  'too-many-groups': ({ most }) => `There are ${most} groups already.`,
  'too-many-hosts': () => 'The list is too long.',
  'group-nameless': () => 'A group needs a name.',
  'not-a-host': ({ host }) => `“${host}” is no host.`,
  'not-online': ({ name }) => `${name} is not online.`,
  'nobody-at': ({ host, port }) => `No Manyhands answers at ${host}, port ${port}.`,
  'no-device': ({ who }) => `“${who}” is neither a device that is there nor an address.`,
  'several-devices': ({ who }) => `More than one device begins with ${who}: give more of its id.`,
  'other-device': ({ name, found, expected }) =>
    `Another device answers where ${name} was: ${found} in place of ${expected}. Its key has changed, or another device has its address now, or somebody pretends to be ${name}. Nothing was sent.`,
  itself: () => 'This is the address of this device itself.',
  'paired-too-often': ({ name }) =>
    `There were too many pairings with ${name} in the last ten minutes, or there are too many now.`,
  'invite-none': () => 'This is no invite, or not all of it.',
  'invite-later': () => 'This invite was made by a later version of Manyhands.',
  'invite-server': () => 'The address of the server makes no sense.',
  'server-name': ({ server }) => `The name in ${server} leads nowhere.`,
  'server-silent': ({ server }) => `Nobody answers at ${server}.`,
  'server-other': ({ server }) => `Another server than was expected answers at ${server}.`,
  'server-none': ({ server }) =>
    `What answers at ${server} is no rendezvous server, or one of another version.`,
  'server-clock': ({ server }) => `The clocks of this device and of ${server} are too far apart.`,
  'server-busy': ({ server }) => `${server} takes nobody in at the moment, or is asked too much.`,
  'server-refuses': ({ server }) => `${server} refuses what this device says.`,
  'server-plain': ({ server }) => `${server} would be reached without encryption.`,
  'no-network': () => 'Other devices cannot be met: there is no network.',

  'port-taken': ({ address }) => `Another program listens on ${address} already.`,
  'no-port': ({ address, detail }) => `${address} cannot be listened on: “${detail}”.`,
  'no-key': ({ detail }) => `The key of this device cannot be used: “${detail}”.`,
  'no-start': ({ detail }) => `The network part cannot be started: “${detail}”.`,
} satisfies Record<string, Sentence>;
