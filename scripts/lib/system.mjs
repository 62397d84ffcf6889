/** What the system has to have: packages, Node, Rust. Installs what is missing where apt can; otherwise says what is. */
import { ask, run, say, Trouble } from './run.mjs';

/** To build the desktop program. `libayatana-appindicator3-1` comes with its -dev package. */
export const BUILD_PACKAGES = [
  'build-essential',
  'libayatana-appindicator3-dev',
  'librsvg2-dev',
  'libwebkit2gtk-4.1-dev',
  'pkg-config',
];

/** To run every test: servers, a screen without a monitor, networks inside the machine. */
export const TEST_PACKAGES = [
  'aria2',
  'chromium',
  'curl',
  'dbus',
  'dbus-x11',
  'fonts-dejavu-core',
  'fonts-noto-cjk',
  'git',
  'imagemagick',
  'iproute2',
  'nftables',
  'nginx-light',
  'openbox',
  'openssl',
  'procps',
  'python3',
  'python3-dbus',
  'python3-gi',
  'time',
  'util-linux',
  'vsftpd',
  'webkit2gtk-driver',
  'x11-utils',
  'xauth',
  'xdotool',
  'xvfb',
];

const LIBRARIES = ['webkit2gtk-4.1', 'ayatana-appindicator3-0.1', 'librsvg-2.0'];
const MIN_NODE = [20, 19];
const MIN_RUST = [1, 90];

/** @throws Trouble when Node or Rust are missing or too old */
export function checkLanguages() {
  const node = process.versions.node;
  if (!atLeast(node, MIN_NODE)) {
    throw new Trouble(
      `Node ${MIN_NODE.join('.')} or newer is needed; this is ${node}: https://nodejs.org`,
    );
  }
  const cargo = ask('cargo', '--version')?.split(' ')[1];
  if (!cargo || !atLeast(cargo, MIN_RUST)) {
    const there = cargo ? `this is ${cargo}` : 'there is none';
    throw new Trouble(`Rust ${MIN_RUST.join('.')} or newer is needed; ${there}: https://rustup.rs`);
  }
}

function atLeast(version, [major, minor]) {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

/** Installs the packages that are missing. Where there is no apt, checks at least the libraries. */
export async function ensurePackages(packages) {
  if (process.platform !== 'linux') return;
  if (ask('dpkg-query', '--version') === null) return checkLibraries();
  const missing = missingOf(packages);
  if (missing.length === 0) return;
  say(`install ${missing.length} system packages: ${missing.join(' ')}`);
  const prefix = rootPrefix(missing);
  const apt = (...parameters) => {
    const [command, ...rest] = [
      ...prefix,
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      '-o',
      'DPkg::Lock::Timeout=300',
      ...parameters,
    ];
    return run(command, rest, { quiet: true, terminal: true });
  };
  await apt('update');
  const { code, output } = await apt('install', '-y', '--no-install-recommends', ...missing);
  const still = missingOf(missing);
  if (code !== 0 || still.length > 0) {
    throw new Trouble(
      `${output.slice(-3000)}\nThese packages could not be installed: ${still.join(' ')}`,
    );
  }
}

function missingOf(packages) {
  const format = '${binary:Package} ${db:Status-Status}\n';
  const listed = packages.map((name) => ask('dpkg-query', '-W', '-f', format, name) ?? '');
  return packages.filter((_, i) => !/ installed$/m.test(listed[i]));
}

/** How to become root: not at all, or by sudo. */
function rootPrefix(missing) {
  if (process.getuid() === 0) return [];
  const sudo = ask('sudo', '--version') !== null;
  // Without a terminal nobody can type a password.
  if (sudo && (process.stdin.isTTY || ask('sudo', '-n', 'true') !== null)) return ['sudo'];
  throw new Trouble(
    `System packages are missing, and this user may not install them. As root:\n\n` +
      `  apt-get install --no-install-recommends ${missing.join(' ')}\n`,
  );
}

function checkLibraries() {
  const missing = LIBRARIES.filter((name) => ask('pkg-config', '--exists', name) === null);
  if (missing.length > 0) {
    throw new Trouble(
      `Install the development files of these libraries with your system's package manager: ${missing.join(', ')}`,
    );
  }
}
