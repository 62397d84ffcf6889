/** Scenes for the mock: what a page looks like on a full day, with errors, with ten thousand rows. */
import { MockBackend, type MockDownload } from './mock';

const MB = 1_000_000;

const full: MockDownload[] = [
  {
    name: 'debian-13.2.0-amd64-DVD-1.iso',
    host: 'mirror.example.edu',
    total: 3_934 * MB,
    share: 0.1,
    sources: [
      { name: 'mirror.example.edu', bytesPerS: 10.2 * MB, joinsMs: 0 },
      { name: 'Mo', bytesPerS: 10.6 * MB, joinsMs: 18_000 },
      { name: 'Ana', bytesPerS: 10.4 * MB, joinsMs: 30_000 },
      { name: 'Wei 伟', bytesPerS: 10.6 * MB, joinsMs: 48_000 },
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
    ['disk-full', 'There is no room left on /home: 3.2 GB are missing.'],
    ['tls', 'The certificate of files.example.net ran out on 2 November.'],
    ['wrong-digest', 'The file has another SHA-256 than was given.'],
    ['changed', 'The file on the server changed: another ETag.'],
  ] as const
).map(([code, message], i) => ({
  name:
    ['sensor-archive.tar.gz', 'backup.img', 'installer.exe', 'weights.bin', 'nightly.tar.zst'][i] ??
    '',
  host: 'ftp.example.org',
  total: 640 * MB,
  share: i * 0.2,
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

const scenes: Record<string, { downloads: MockDownload[]; afterMs: number }> = {
  full: { downloads: full, afterMs: 78_000 },
  error: { downloads: errors, afterMs: 0 },
  many: { downloads: many, afterMs: 5000 },
  empty: { downloads: [], afterMs: 0 },
};

/** The mock that the address asks for, `?scene=full`; it runs on unless `&still`. */
export function sceneOf(search: string): MockBackend {
  const wishes = new URLSearchParams(search);
  const scene = scenes[wishes.get('scene') ?? 'full'] ?? { downloads: [], afterMs: 0 };
  const backend = new MockBackend({ downloads: scene.downloads, seed: 7 });
  backend.advance(scene.afterMs);
  if (!wishes.has('still')) backend.run();
  return backend;
}
