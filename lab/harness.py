"""What the scenarios of `campus` are made of: a lab, and programs that run on its hosts.

Every wait here ends: with what was waited for, with the program, or with Failed after a time.
"""
import collections
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
WORK = tempfile.gettempdir()
MIB = 1 << 20
TCP_SHARE = 1448 / 1514  # of a link's bytes that bulk TCP carries for its user
LAB_TIMEOUT_S = 120  # for one command of lab
DIE_TIMEOUT_S = 10  # for a program that was told to end
LOOK_TIMEOUT_S = 15  # for a command that only looks or decides
KEPT_LINES = 10_000  # of a program's log …
SHOWN_LINES = 15  # … and shown, when something failed
SERVER_PORT = 8470
SCENARIOS = {}


class Failed(Exception):
    """The scenario cannot go on."""


class Skipped(Exception):
    """The scenario cannot be run here, or not yet."""


def scenario(function):
    """Registers a scenario by its name; its docstring is what `--list` says."""
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def size_of(name):
    """The bytes in the origin's file of that name: '32M' has 33554432."""
    number, unit = re.fullmatch(r"(\d+)([KMG])", name).groups()
    return int(number) << {"K": 10, "M": 20, "G": 30}[unit]


def ideal_s(size, rate):
    """How long so many bytes take at a rate such as '20mbit'."""
    number, unit = re.fullmatch(r"(\d+)([kmg])bit", rate).groups()
    return size * 8 / (int(number) * {"k": 1e3, "m": 1e6, "g": 1e9}[unit] * TCP_SHARE)


class Lab:
    """A lab that is up from `with` to the end of its block. Options as of `lab up`."""

    binary, server, keep = None, None, False  # for all labs, from the command line

    def __init__(self, **options):
        self.programs = []
        self.parent = tempfile.mkdtemp(prefix="campus-", dir=WORK)
        self.dir = self.parent + "/lab"
        self.options = [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
                        for name, value in options.items()]

    def __enter__(self):
        try:
            self.run("up", *self.options)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        with open(self.dir + "/origin/www/f/SHA256SUMS") as sums:
            self.sums = {name: digest for digest, name in map(str.split, sums)}
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
        if self.keep:
            return print(f"      kept: LAB_DIR={self.dir}")
        if os.path.exists(self.dir):
            self.run("down")
        shutil.rmtree(self.parent, ignore_errors=True)

    def run(self, *argv):
        """Run a command of lab and return its output."""
        done = subprocess.run([HERE + "/lab", *argv], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=LAB_TIMEOUT_S, env=self.env())
        if done.returncode:
            raise Failed(f"lab {' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout

    def env(self):
        return {**os.environ, "LAB_DIR": self.dir}

    def on(self, host, *argv):
        """Start any program on a host."""
        program = Program(self, host, [HERE + "/lab", "exec", host, "--", *argv])
        self.programs.append(program)
        return program

    def start(self, host, *argv):
        """Start manyhands-cli on a host, in a profile of that host's own."""
        return self.on(host, self.binary, "--data-dir", f"{self.dir}/{host}/profile", *argv)

    def get(self, host, *urls_and_more):
        """Start a download."""
        return self.start(host, "get", "--dir", self.downloads(host), "--json", *urls_and_more)

    def lend(self, host, *more, accept="all"):
        """Start a helper without bounds, and wait until it is one; `peer` of it is its id."""
        helper = self.start(host, "--name", host, "lend", "--accept", accept, "--json",
                            "--limit=0", "--budget=0",
                            *more or ["--allow-private-origins"])
        helper.peer = helper.wait_for("lending", LOOK_TIMEOUT_S)["peer"]
        return helper

    def rendezvous(self, *more):
        """Start a rendezvous server, and wait until it says who it is; `url` and `id` of it say so."""
        if not os.access(self.server or "", os.X_OK):
            raise Skipped(f"{self.server or 'no server'} cannot be run")
        server = self.on("rv", self.server, "--listen", f"0.0.0.0:{SERVER_PORT}",
                         "--data-dir", f"{self.dir}/rv/profile", *more)
        server.wait_for_line(r"\b(listening)\b", LOOK_TIMEOUT_S)
        server.id = server.wait_for_line(r"\bid ([a-z2-7]{52})$", LOOK_TIMEOUT_S)
        server.url = f"https://rv.lab:{SERVER_PORT}"
        return server

    def group(self, host, server, name):
        """Make a group on a host, which is its first member; returns the invite."""
        said = self.ask(host, "--rendezvous", server.url, "group", "create", name, "--json")
        made = next((event for event in said if "invite" in event), None)
        if not made or made.get("server_id") != server.id:
            raise Failed(f"the server is {server.id}, and group create says {said}")
        return made["invite"]

    def member(self, host, invite, *more):
        """Start somebody who tells what a server says to members."""
        return self.on(host, HERE + "/member", invite, *more)

    def ask(self, host, *argv):
        """Run a command of manyhands-cli to its end and return its events."""
        asked = self.start(host, *argv)
        if status := asked.finish(LOOK_TIMEOUT_S):
            raise Failed(f"{' '.join(argv)} on {host} ends with {status}{asked.last_words()}")
        return asked.events

    def serve(self, host, folder, port, *more):
        """Start a web server that tells of every connection."""
        server = self.on(host, HERE + "/serve", folder, str(port), *more)
        server.wait_for("serving", LOOK_TIMEOUT_S)
        return server

    def name(self, address, *names, host=None):
        """Lets names mean an address, on a host or on all that have no list of their own yet."""
        path = f"{self.dir}/etc/hosts"
        if host:
            mine = f"{self.dir}/{host}/hosts"
            if not os.path.exists(mine):
                shutil.copy(path, mine)
                self.run("exec", host, "--", "mount", "--bind", mine, "/etc/hosts")
            path = mine
        with open(path) as hosts:
            lines = [line for line in hosts if not set(names) & set(line.split()[1:])]
        with open(path, "w") as hosts:  # in place: it is mounted in the nodes
            hosts.writelines([*lines, f"{address} {' '.join(names)}\n"])

    def downloads(self, host):
        return f"{self.dir}/{host}/downloads"

    def received(self, host):
        """Bytes that a host has got from the origin so far, without the headers of packets."""
        return int(json.loads(self.run("stats", "--json"))[host]["wan_rx"] * TCP_SHARE)

    def answers(self):
        """Statuses that the web server has answered with, and how often each."""
        with open(self.dir + "/origin/access.log") as log:
            return collections.Counter(json.loads(line)["status"] for line in log)

    def sent(self):
        """Bytes that the origin's web server says it has sent."""
        with open(self.dir + "/origin/access.log") as log:
            return sum(json.loads(line)["bytes"] for line in log)

    def answers_at_a_time(self):
        """How many answers the web server was giving at a time, on average from the first to the last."""
        with open(self.dir + "/origin/access.log") as log:
            ends = [(answer["time"], answer["seconds"]) for answer in map(json.loads, log)]
        whole = max(end for end, _ in ends) - min(end - seconds for end, seconds in ends)
        return sum(seconds for _, seconds in ends) / whole

    def wait_for_sent(self, least):
        """What it has sent, once its log has so much: a request is told when it is over."""
        until = time.monotonic() + LOOK_TIMEOUT_S
        while (sent := self.sent()) < least and time.monotonic() < until:
            time.sleep(0.1)
        return sent

    def address(self, host):
        with open(self.dir + "/state.json") as state:
            return json.load(state)["nodes"][host]["ip"]


class Program:
    """manyhands-cli on a host, and what it has said so far."""

    def __init__(self, lab, host, argv):
        self.lab, self.host, self.began = lab, host, time.monotonic()
        self.program = argv[argv.index("--") + 1]
        self.events, self.log = [], collections.deque(maxlen=KEPT_LINES)
        self.changed, self.open_outputs, self.ended = threading.Condition(), 2, None
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", env=lab.env())
        for output, take in ((self.process.stdout, self.take_event),
                             (self.process.stderr, self.log.append)):
            threading.Thread(target=self.read, args=(output, take), daemon=True).start()

    def read(self, output, take):
        for line in output:
            with self.changed:
                take(line.rstrip())
                self.changed.notify_all()
        with self.changed:
            self.open_outputs -= 1
            self.ended = time.monotonic()
            self.changed.notify_all()

    def take_event(self, line):
        try:
            self.events.append({**json.loads(line), "at": time.monotonic()})
        except (ValueError, TypeError):
            self.log.append("not JSON on stdout: " + line)

    def over(self):
        """Both outputs are closed: the program itself has ended, whatever stands around it."""
        return not self.open_outputs

    def wait_for(self, kind, timeout, what="", when=lambda event: True):
        """The first event of a kind for which `when` holds."""
        def found():
            return next((e for e in self.events if e.get("event") == kind and when(e)), None)
        with self.changed:
            self.changed.wait_for(lambda: found() or self.over(), timeout)
            event = found()
        if event is None:
            how = "the program ended" if self.over() else f"waited {timeout:.0f} s"
            raise Failed(f"no event {kind} {what}: {how}{self.last_words()}")
        return event

    def wait_for_line(self, pattern, timeout):
        """What the group of the pattern matches in the first line of the log that has it."""
        def found():
            return next(filter(None, (re.search(pattern, line) for line in self.log)), None)
        with self.changed:
            self.changed.wait_for(lambda: found() or self.over(), timeout)
            match = found()
        if match is None:
            raise Failed(f"no line with {pattern}{self.last_words()}")
        return match[1]

    def wait_for_bytes(self, least, timeout):
        return self.wait_for("progress", timeout, f"with {least} bytes",
                             lambda event: event["bytes"] >= least)

    def last(self, kind):
        with self.changed:
            return next((e for e in reversed(self.events) if e.get("event") == kind), None)

    def finish(self, timeout):
        """Wait for the end; returns the exit status."""
        with self.changed:
            if not self.changed.wait_for(self.over, timeout):
                raise Failed(f"not finished after {timeout:.0f} s{self.last_words()}")
        return self.process.wait(DIE_TIMEOUT_S)

    def help_states(self, name=None):
        """What was said of help, in order; by one helper or all."""
        with self.changed:
            return [e["state"] for e in self.events
                    if e.get("event") == "help" and name in (None, e["name"])]

    def wait_for_help(self, name, state, timeout):
        return self.wait_for("help", timeout, f"of {name}: {state}",
                             lambda e: e["name"] == name and e["state"] == state)

    def longest_pause(self, since=0.0):
        """The longest time in which no byte came, from a moment on, in seconds."""
        longest, last, most = 0.0, None, -1
        for event in self.events:
            if event.get("event") in ("progress", "completed") and (
                    event["bytes"] > most or event["event"] == "completed"):
                if last is not None and event["at"] > since:
                    longest = max(longest, event["at"] - max(last, since))
                last, most = event["at"], max(most, event["bytes"])
        return longest

    def logged(self, words):
        """Lines of the log with these words."""
        with self.changed:
            return [line for line in self.log if words in line]

    def seconds(self):
        """From the start to the end."""
        return self.ended - self.began

    def process_folders(self):
        """Of the program itself, which stands behind those that started it."""
        profile = f"{self.lab.dir}/{self.host}/profile".encode()
        for folder in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{folder}/cmdline", "rb") as cmdline:
                argv = cmdline.read().split(b"\0")
                if profile in argv and argv[0] == self.program.encode():
                    yield f"/proc/{folder}"

    def cpu_seconds(self):
        """What the program has used of the processors so far; 0 once it is gone."""
        ticks = 0
        for folder in self.process_folders():
            with contextlib.suppress(OSError), open(folder + "/stat") as stat:
                ticks += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """All that the program can write to, as it is now."""
        held = bytearray()
        for folder in self.process_folders():
            with open(folder + "/maps") as maps, open(folder + "/mem", "rb") as memory:
                for where, flags in (line.split()[:2] for line in maps):
                    start, end = (int(part, 16) for part in where.split("-"))
                    if flags.startswith("rw"):
                        with contextlib.suppress(OSError, ValueError):
                            memory.seek(start)
                            held += memory.read(end - start)
        return bytes(held)

    def kill(self):
        """SIGKILL; returns when the program is dead."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)  # lab takes the program along
        self.finish(DIE_TIMEOUT_S)

    def last_words(self):
        said = [f"\n      | {line}" for line in list(self.log)[-SHOWN_LINES:]]
        progress = next((e for e in reversed(self.events)), None)
        return "".join(said) + (f"\n      | last event: {json.dumps(progress)}" if progress else "")


def brought(event):
    """What each source has brought, by its name; the requester itself is 'origin'."""
    return {source["name"] if source["kind"] == "helper" else "origin": source["bytes"]
            for source in event["sources"]}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Checks:
    """Counts what was checked, and prints a line for each."""

    def __init__(self, program):
        self.program, self.scenario, self.passed, self.failed, self.skipped = program, "", 0, 0, 0

    def line(self, word, text, detail):
        print(f"{word:5} {self.scenario}: {text}" + (f" ({detail})" if detail else ""), flush=True)

    def check(self, text, holds, detail=""):
        self.passed += bool(holds)
        self.failed += not holds
        self.line("ok" if holds else "FAIL", text, detail)

    def finished(self, get, file, timeout, name=None):
        """A download has ended well: the file that the origin has, whole, alone, under its name."""
        status = get.finish(timeout)
        done = get.last("completed") or {}
        if status or not done:
            raise Failed(f"it ends with {status}{get.last_words()}")
        path = f"{get.lab.downloads(get.host)}/{name or file + '.bin'}"
        there = sorted(os.listdir(os.path.dirname(path))) if os.path.isdir(
            os.path.dirname(path)) else []
        expected, found = get.lab.sums[file + ".bin"], os.path.isfile(path) and digest(path)
        self.check("the file is the origin's", found == expected,
                   "" if found == expected else f"found {found} in {there}")
        said = done.get("bytes"), done.get("sha256")
        self.check("what it says of the file is true", said[0] == size_of(file) and
                   said[1] in (None, expected), f"{said[0]:,} bytes, {done.get('verification')}")
        self.check("nothing else is left", there == [os.path.basename(path)], ", ".join(there))
        return done

    def skip(self, name, reason):
        self.scenario = name
        self.skipped += 1
        self.line("skip", "not run", reason)

    def run(self, name, scenario):
        """Run one scenario to its end, whatever that is."""
        self.scenario = name
        try:
            scenario(self)
        except Skipped as reason:
            self.skip(name, reason)
        except (Failed, subprocess.TimeoutExpired) as error:
            self.failed += 1
            self.line("FAIL", str(error), "")

    def conclude(self):
        print(f"{self.program}: {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or not self.passed else 0


def stop_cleanly():
    """Let SIGTERM end this program by way of every `with`."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
