/** Scenes for the mock: what a page looks like on a full day, alone, with errors, with ten thousand rows. */
import type { MemberRow, NoWay, ServerTrouble } from '../types';
import {
  MockBackend,
  type MockDownload,
  type MockGroup,
  type MockPeer,
  type MockWorld,
} from './mock';

const MB = 1_000_000;

const full: MockDownload[] = [
  {
    name: 'debian-13.2.0-amd64-DVD-1.iso',
    host: 'mirror.example.edu',
    total: 3_934 * MB,
    share: 0.1,
    limit: 'address',
    sources: [
      { name: 'mirror.example.edu', bytesPerS: 10.2 * MB, joinsMs: 0 },
      { name: 'Mo', peer: 'mo', bytesPerS: 10.6 * MB, joinsMs: 18_000 },
      { name: 'Ana', peer: 'ana', bytesPerS: 10.4 * MB, joinsMs: 30_000 },
      { name: 'Wei 伟', peer: 'wei', bytesPerS: 10.6 * MB, joinsMs: 48_000 },
    ],
  },
  {
    name: 'lecture-07-operating-systems.mp4',
    host: 'video.example.edu',
    total: 1_134 * MB,
    sources: [{ name: 'video.example.edu', bytesPerS: 2.1 * MB, joinsMs: 0 }],
  },
  {
    name: 'corpus-2026-news.parquet',
    host: 'data.example.org',
    total: 9_400 * MB,
    share: 0.31,
    state: 'paused',
    sources: [{ name: 'data.example.org', bytesPerS: 6 * MB, joinsMs: 0 }],
  },
  {
    name: 'sensor-archive.tar.gz',
    host: 'ftp.example.org',
    total: 640 * MB,
    share: 0.12,
    state: 'failed',
    failure: { code: 'not-found', message: 'ftp.example.org answered 404 Not Found.' },
    sources: [{ name: 'ftp.example.org', bytesPerS: 6 * MB, joinsMs: 0 }],
  },
  {
    name: 'thesis-data.zip',
    host: 'cloud.example.edu',
    total: 812 * MB,
    state: 'completed',
    sha256: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
    sources: [{ name: 'cloud.example.edu', bytesPerS: 6 * MB, joinsMs: 0 }],
  },
  {
    name: 'linux-6.18.tar.xz',
    host: 'cdn.kernel.example.org',
    total: 148 * MB,
    state: 'completed',
    sources: [{ name: 'cdn.kernel.example.org', bytesPerS: 6 * MB, joinsMs: 0 }],
  },
  {
    name: '操作系统-第七讲-虚拟内存.pdf',
    host: 'course.example.cn',
    total: 24 * MB,
    state: 'completed',
    sources: [{ name: 'course.example.cn', bytesPerS: 6 * MB, joinsMs: 0 }],
  },
];

const errors: MockDownload[] = (
  [
    ['not-found', 'ftp.example.org answered 404 Not Found.'],
    ['refused-by-server', 'files.example.net answered 403 Forbidden.'],
    ['disk-full', 'There is no room left on /home: 3.2 GB are missing.'],
    ['tls', 'The certificate of files.example.net ran out on 2 November.'],
    ['wrong-digest', 'The file has another SHA-256 than was given.'],
    ['changed', 'The file on the server changed: another ETag.'],
  ] as const
).map(([code, message], i) => ({
  name:
    [
      'sensor-archive.tar.gz',
      'scans.zip',
      'backup.img',
      'installer.exe',
      'weights.bin',
      'nightly.tar.zst',
    ][i] ?? '',
  host: 'ftp.example.org',
  total: 640 * MB,
  share: i * 0.16,
  state: 'failed',
  failure: { code, message },
  sources: [{ name: 'ftp.example.org', bytesPerS: 6 * MB, joinsMs: 0 }],
}));

const many: MockDownload[] = Array.from({ length: 10_000 }, (_, i) => ({
  name: `photo-${String(i).padStart(5, '0')}.jpg`,
  host: 'photos.example.org',
  total: (2 + (i % 7)) * MB,
  sources: [{ name: 'photos.example.org', bytesPerS: 12 * MB, joinsMs: 0 }],
}));

/** Friends, strangers, one who is away, one who does not lend. */
const people: MockPeer[] = [
  {
    peer: 'mo',
    name: 'Mo',
    friend: true,
    bringsBytesPerS: 10.6 * MB,
    paired: true,
    addresses: ['10.42.3.17:26269', '[2001:db8:42::17]:26269'],
  },
  { peer: 'ana', name: 'Ana', friend: true, bringsBytesPerS: 10.4 * MB },
  { peer: 'wei', name: 'Wei 伟', friend: true, bringsBytesPerS: 10.6 * MB },
  { peer: 'priya', name: 'Priya', friend: true, lending: false },
  { peer: 'kim', name: 'kim-thinkpad', bringsBytesPerS: 9.8 * MB },
  { peer: 'lab', name: 'lab-pc-204', lending: false },
  { peer: 'jo', name: 'Jo', friend: true, online: false },
];

/** Each says something else when it is asked, and when it is paired with. */
const refusing: MockPeer[] = [
  { peer: 'mo', name: 'Mo', friend: true, reason: 'no_gain', pairs: 'refused' },
  { peer: 'ana', name: 'Ana', friend: true, reason: 'mismatch', pairs: 'cheated' },
  { peer: 'wei', name: 'Wei 伟', friend: true, answer: 'decline', reason: 'host', pairs: 'failed' },
  { peer: 'priya', name: 'Priya', friend: true, reason: 'budget', pairs: 'expired' },
  { peer: 'kim', name: 'kim-thinkpad', friend: true, answer: 'decline', reason: 'not_lending' },
  { peer: 'jo', name: 'Jo', friend: true, otherKey: true, online: false },
];

const byNorth = { by: 'group', name: 'Dorm 7 – North' } as const;
const reached = (peer: string, name: string, address: string, friend = true): MemberRow => ({
  peer,
  name,
  friend,
  reach: { reach: 'reached', address },
});
const out = (peer: string, name: string, why: NoWay, friend = false): MemberRow => ({
  peer,
  name,
  friend,
  reach: { reach: 'no', why },
});

/** A dormitory of many subnets: some are reached, others are listed alone. */
const dormitory: MockPeer[] = [
  {
    peer: 'mo',
    name: 'Mo',
    friend: true,
    paired: true,
    found: [{ by: 'lan' }, byNorth],
    bringsBytesPerS: 10.6 * MB,
  },
  {
    peer: 'ana',
    name: 'Ana',
    friend: true,
    found: [byNorth],
    addresses: ['10.7.12.4:26269'],
    bringsBytesPerS: 10.4 * MB,
  },
  { peer: 'wei', name: 'Wei 伟', friend: true, found: [byNorth], addresses: ['10.7.31.9:26269'] },
  {
    peer: 'priya',
    name: 'Priya',
    friend: true,
    online: false,
    found: [byNorth, { by: 'known' }],
    noWay: 'no_answer',
    addresses: ['10.7.40.2:26269'],
  },
  {
    peer: 'kim',
    name: 'kim-thinkpad',
    online: false,
    found: [byNorth],
    noWay: 'no_answer',
    addresses: ['10.7.40.77:31200'],
  },
  { peer: 'sam', name: 'Sam', online: false, found: [byNorth], noWay: 'refused' },
  { peer: 'jo', name: 'Jo', friend: true, online: false, found: [{ by: 'known' }] },
];
const north: MockGroup = {
  name: 'Dorm 7 – North',
  members: [
    reached('ana', 'Ana', '10.7.12.4:26269'),
    reached('mo', 'Mo', '10.42.3.17:26269'),
    reached('wei', 'Wei 伟', '10.7.31.9:26269'),
    { peer: 'lab', name: 'lab-pc-204', friend: false, reach: { reach: 'ringing' } },
    { peer: 'tal', name: 'Tal', friend: false, reach: { reach: 'trying' } },
    out('kim', 'kim-thinkpad', 'no_answer'),
    out('priya', 'Priya', 'no_answer', true),
    out('sam', 'Sam', 'refused'),
  ],
};
const course: MockGroup = {
  name: '操作系统 2026',
  server: 'http://10.8.0.5:8470',
  state: { state: 'trouble', why: 'no_answer', retryInS: 24 },
};
const troubles: ServerTrouble[] = [
  'unknown_name',
  'other_key',
  'no_server',
  'clock',
  'busy',
  'refused',
  'plain_http',
  'too_many',
];
const allWays: NoWay[] = ['no_route', 'other_device', 'no_address'];

const terms = { dailyBytes: 10_000 * MB, bytesPerS: 12.5 * MB };
const ruled: MockWorld = {
  peers: people.map((peer) => (peer.peer === 'jo' ? { ...peer, otherKey: true } : peer)),
  lending: { on: true, ...terms, hours: { fromMinute: 18 * 60, toMinute: 8 * 60 } },
  lentTodayBytes: 2_310 * MB,
  rules: [
    {
      peer: 'mo',
      terms: { dailyBytes: 5_000 * MB, bytesPerS: 0, hours: null },
      lentTodayBytes: 1_204 * MB,
    },
    {
      peer: 'wei',
      terms: {
        dailyBytes: 2_000 * MB,
        bytesPerS: 4 * MB,
        hours: { fromMinute: 22 * 60, toMinute: 8 * 60 },
      },
      lentTodayBytes: 0,
    },
  ],
  blocked: [
    { peer: 'w3fkq2mxtz7nbd4v', name: 'free-wifi-laptop' },
    { peer: 'h7ydc5ra2epzqm6n', name: '' },
  ],
};

const fromMo = {
  peer: 'mo',
  origins: ['https://ftp.example.org', 'https://mirror.example.edu'],
  fileName: 'debian-13.2.0-amd64-DVD-1.iso',
  sizeBytes: 3_934 * MB,
  budgetBytes: 500 * MB,
};
const fromKim = {
  peer: 'kim',
  origins: ['http://data.example.net:8080'],
  sizeBytes: 1_240 * MB,
  budgetBytes: 310 * MB,
};
const fromAna = {
  peer: 'ana',
  origins: ['https://video.example.edu'],
  fileName: 'lecture-08-file-systems.mp4',
  sizeBytes: 980 * MB,
  budgetBytes: 245 * MB,
};

const lending = { on: true, ...terms };
const alone = full.slice(1);
const slow: MockDownload[] = full.map((plan) => ({ ...plan, sources: plan.sources.slice(0, 1) }));

const scenes: Record<string, { world: MockWorld; afterMs: number }> = {
  full: {
    world: {
      downloads: full,
      peers: people,
      lending,
      requests: [{ ...fromKim, afterMs: 70_000 }],
    },
    afterMs: 78_000,
  },
  slow: { world: { downloads: slow, peers: people }, afterMs: 24_000 },
  requests: {
    world: {
      downloads: full,
      peers: people,
      lending,
      requests: [fromKim, fromMo, fromAna].map((plan, i) => ({
        ...plan,
        afterMs: 48_000 + i * 9000,
      })),
    },
    afterMs: 78_000,
  },
  helping: {
    world: {
      downloads: alone,
      peers: people,
      lending: { on: true, accept: 'friends' },
      requests: [
        { ...fromMo, sentBytes: 112 * MB, takesBytesPerS: 4.1 * MB },
        { ...fromKim, sentBytes: 238 * MB, takesBytesPerS: 2.3 * MB },
      ],
    },
    afterMs: 8000,
  },
  rules: { world: { downloads: alone, ...ruled }, afterMs: 8000 },
  pairing: {
    world: { downloads: full, peers: people, pairings: [{ peer: 'kim', afterMs: 20_000 }] },
    afterMs: 24_000,
  },
  refusals: { world: { downloads: slow, peers: refusing, lending }, afterMs: 12_000 },
  alone: { world: { downloads: alone }, afterMs: 12_000 },
  offline: {
    world: {
      downloads: alone,
      networkFailure: {
        code: 'cannot-connect',
        message: 'cannot listen on 0.0.0.0:26269: Address already in use',
        hint: '',
        what: 'port-taken',
        parts: { address: '0.0.0.0:26269' },
      },
    },
    afterMs: 12_000,
  },
  groups: {
    world: { downloads: alone, peers: dormitory, groups: [north, course], lending },
    afterMs: 8000,
  },
  troubles: {
    world: {
      downloads: alone,
      groups: [
        { name: '1', state: { state: 'connecting' } },
        {
          name: '2',
          callable: { callable: 'no', port: 26269 },
          members: allWays.map((why) => out(why, why, why)),
        },
        { name: '' },
        ...troubles.map((why, i): MockGroup => {
          return { name: `${3 + i}`, state: { state: 'trouble', why, retryInS: 40 * i } };
        }),
      ],
    },
    afterMs: 0,
  },
  listed: { world: { downloads: alone, groups: [{ name: 'Dorm 7 – North' }] }, afterMs: 4000 },
  unused: {
    world: { downloads: alone, peers: people, groups: [north], meeting: 'lan_only' },
    afterMs: 4000,
  },
  groupless: { world: { downloads: alone, meeting: 'server_only' }, afterMs: 4000 },
  error: { world: { downloads: errors, peers: people }, afterMs: 0 },
  many: { world: { downloads: many, peers: people }, afterMs: 5000 },
  empty: { world: { peers: people }, afterMs: 0 },
};

/** The mock that the address asks for, `?scene=full`; it runs on unless `&still`, asks to be closed with `&closing`, and brings a link with `&link=…`. */
export function sceneOf(search: string): MockBackend {
  const wishes = new URLSearchParams(search);
  const scene = scenes[wishes.get('scene') ?? 'full'] ?? { world: {}, afterMs: 0 };
  const backend = new MockBackend({ ...scene.world, seed: 7 });
  backend.advance(scene.afterMs);
  if (!wishes.has('still')) backend.run();
  const link = wishes.get('link');
  if (link !== null) backend.bringLink(link);
  if (wishes.has('closing')) setTimeout(() => backend.say('close_asked'));
  return backend;
}
