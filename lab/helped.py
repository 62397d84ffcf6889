"""Scenarios of `campus` in which hosts download together.

Helpers are found by multicast alone: nobody is told an address.
"""
import os
import random
import shutil
import time

from harness import (
    LOOK_TIMEOUT_S, MIB, Lab, brought, digest, ideal_s, scenario, size_of)

SLACK_S = 30  # for finding, asking and waiting
RATE = "20mbit"  # what the origin gives each address
SURPLUS = 0.015  # of the file may be fetched twice
WIRE_MARGIN = 0.03  # of the file: what is on its way when a connection is closed
LOST = 16 * MIB  # may be fetched again after a crash
KILLS = 10  # at each speed
PAUSE_S = 5  # the design's 3 s, and room for a busy machine
LIVING = 0.6  # of what the living sources can give must be used
HELP_S = 15  # until a peer is found and asked, or is known to be gone
EXPIRY_S = 60  # of a prompt that nobody answers
PORT = 8080
REFUSED = "the helper does not connect to this address"


def helped(c, url, file, least):
    """One host downloads with three helpers: how fast, who brings what, and what it costs."""
    with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        helpers = [campus.lend(f"h{i}").host for i in (2, 3, 4)]
        get = campus.get("h1", url, "--ask", "everyone", "--unverified")
        alone = ideal_s(size_of(file), RATE)
        done = c.finished(get, file, alone + SLACK_S)
        c.check("at least twice as fast as alone", get.seconds() <= alone / 2,
                f"{get.seconds():.1f} s, alone {alone:.1f} s")
        by = brought(done)
        c.check(f"every helper brings {least:.0%} at least", all(
            by.get(host, 0) >= size_of(file) * least for host in helpers), by)
        costs(c, campus, by, size_of(file))


def costs(c, campus, by, size):
    """What the sources say that they brought is little more than the file, and what came to them.

    The origin's log tells of more: it counts what was never sent when a connection was closed.
    """
    total = sum(by.values())
    c.check(f"at most {SURPLUS:.1%} is fetched twice", size <= total <= size * (1 + SURPLUS),
            f"{total - size:,} bytes more than the file")
    came = sum(campus.received(host) for host in ("h1", "h2", "h3", "h4"))
    c.check(f"within {WIRE_MARGIN:.0%} of what the origin sent",
            abs(came - total) <= size * WIRE_MARGIN,
            f"{came:,} bytes came from the origin, the sources brought {total:,}")


@scenario
def helpers(c):
    """Three helpers on one LAN: at least twice as fast as alone, each brings a part."""
    helped(c, "http://origin.lab/f/64M.bin", "64M", 0.1)


@scenario
def helpers_ftp(c):
    """Three helpers, from an FTP server."""
    helped(c, "ftp://origin.lab/64M.bin", "64M", 0.1)


@scenario
def lost_helpers(c):
    """One helper is killed and one is cut off: the others take over, without a pause."""
    file = "64M"
    size = size_of(file)
    with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        killed, cut, _ = [campus.lend(f"h{i}") for i in (2, 3, 4)]
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin", "--ask", "everyone", "--unverified")
        for host in ("h2", "h3", "h4"):
            get.wait_for_help(host, "accepted", HELP_S)
        get.wait_for_bytes(size // 5, ideal_s(size, RATE))
        killed.kill()
        get.wait_for_bytes(size * 2 // 5, ideal_s(size, RATE))
        campus.run("cut", cut.host)
        since, rest = time.monotonic(), size - get.last("progress")["bytes"]
        c.check("both were lost in the middle", size // 4 < rest < size, f"{rest:,} bytes to go")
        done = c.finished(get, file, ideal_s(size, RATE) + SLACK_S)
        took, ideal = get.ended - since, ideal_s(rest, "40mbit")
        c.check(f"at least {LIVING:.0%} of what the living can give", took <= ideal / LIVING,
                f"the rest took {took:.1f} s, ideal {ideal:.1f} s")
        pause = get.longest_pause()
        c.check(f"no pause over {PAUSE_S} s", pause <= PAUSE_S, f"longest {pause:.1f} s")
        states = {helper.host: get.help_states(helper.host) for helper in (killed, cut)}
        c.check("the killed one is told as lost", "lost" in states["h2"], states)
        c.check("what the lost ones brought is kept", all(
            brought(done).get(host, 0) > 0 for host in ("h2", "h3")), brought(done))


@scenario
def killed_requester(c):
    """The requester is killed while others help, and goes on with them where it was."""
    file = "64M"
    size, url = size_of(file), f"http://origin.lab/f/{file}.bin"
    with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        for i in (2, 3, 4):
            campus.lend(f"h{i}")
        get = campus.get("h1", url, "--ask", "everyone", "--unverified")
        get.wait_for_bytes(size // 2, ideal_s(size, RATE))
        get.kill()
        reached = get.last("progress")
        c.check("it was killed in the middle", not get.last("completed"), brought(reached))
        again = campus.get("h1", url, "--ask", "everyone", "--unverified")
        kept = again.wait_for("progress", SLACK_S)["bytes"]
        c.check("at most 16 MiB are lost", kept >= reached["bytes"] - LOST,
                f"{reached['bytes']:,} bytes before, {kept:,} after")
        done = c.finished(again, file, ideal_s(size, RATE) + SLACK_S)
        c.check("they help again", "accepted" in again.help_states(), brought(done))
        surplus = sum(campus.received(f"h{i}") for i in (1, 2, 3, 4)) - size
        c.check("at most 16 MiB are fetched again", surplus <= LOST, f"{surplus:,} bytes")


@scenario
def kills(c):
    """The requester is killed twenty times at random instants while others help, at two speeds."""
    seed = random.randrange(1 << 32)
    c.check(f"seed {seed}", True)
    dice = random.Random(seed)
    # 12 and 48 MB/s with all four hands.
    for rate, file in (("24mbit", "192M"), ("96mbit", "640M")):
        with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=rate) as campus:
            size, url, kept = size_of(file), f"http://origin.lab/f/{file}.bin", 0
            for i in (2, 3, 4):
                campus.lend(f"h{i}")
            losses = []
            for _ in range(KILLS):
                get = campus.get("h1", url, "--ask", "everyone", "--unverified")
                first = get.wait_for("progress", SLACK_S)["bytes"]
                losses.append(kept - first)
                get.wait_for("help", HELP_S, "of a yes", lambda e: e["state"] == "accepted")
                at = get.last("progress")["bytes"]
                get.wait_for_bytes(at + dice.randrange(size * 9 // 20 // KILLS), SLACK_S)
                get.kill()
                kept = get.last("progress")["bytes"]
            get = campus.get("h1", url, "--ask", "everyone", "--unverified")
            losses.append(kept - get.wait_for("progress", SLACK_S)["bytes"])
            done = c.finished(get, file, ideal_s(size, rate) + SLACK_S)
            worst = max(losses[1:])
            c.check(f"{rate} an address, {KILLS} kills: at most 16 MiB are lost by each",
                    worst <= LOST, f"{max(worst, 0) / 1e6:.1f} MB at worst")
            c.check("each of them brought a part", all(
                brought(done).get(f"h{i}", 0) > 0 for i in (2, 3, 4)), brought(done))


@scenario
def prompts(c):
    """Requests declined, accepted, never answered, and lost with their helper: all is told."""
    file = "64M"
    with Lab(hosts=5, files=file, lan="1gbit", origin_per_ip="2mbit") as campus:
        helpers = {n: campus.lend(n, "--allow-private-origins", accept="ask")
                   for n in ("h2", "h3", "h4", "h5")}
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin", "--ask", "everyone", "--unverified")
        asked = {n: h.wait_for("request", HELP_S) for n, h in helpers.items()}
        listed = campus.ask("h2", "requests", "--json")
        c.check("a request is listed", [r["id"] for r in listed] == [asked["h2"]["id"]],
                ", ".join(r["id"] for r in listed))
        what = {k: asked["h2"][k] for k in ("name", "origins", "sizeBytes", "fileName")}
        c.check("it says who asks for what, to a stranger without the file's name", what == {
            "name": "h1", "origins": ["http://origin.lab"], "sizeBytes": size_of(file),
            "fileName": None}, what)
        campus.ask("h2", "decline", asked["h2"]["id"])
        campus.ask("h3", "accept", asked["h3"]["id"][:8])
        helpers["h5"].kill()
        for name, state in (("h2", "declined"), ("h3", "accepted"), ("h5", "lost")):
            get.wait_for_help(name, state, HELP_S)
        c.check("nothing is left to be answered", not campus.ask("h2", "requests", "--json"))
        seen = {p["name"]: p["friend"] for p in campus.ask("h3", "friends", "--wait=2", "--json")}
        c.check("who was accepted is a friend", seen.get("h1"), seen)
        late = get.wait_for_help("h4", "expired", EXPIRY_S + HELP_S)["at"] - asked["h4"]["at"]
        c.check("a prompt expires after a minute", EXPIRY_S - 2 <= late <= EXPIRY_S + 5,
                f"{late:.1f} s")
        pause = get.longest_pause()
        c.check("the download went on meanwhile", pause <= PAUSE_S, f"longest pause {pause:.1f} s")
        campus.run("shape", "origin", "--per-ip", "200mbit")
        done = c.finished(get, file, SLACK_S)
        by = brought(done)
        c.check("only who accepted helped", by.get("h3", 0) >= 8 * MIB and set(
            name for name, size in by.items() if size) == {"origin", "h3"}, by)
        states = {name: get.help_states(name) for name in helpers}
        c.check("each answer is told, in order", states == {
            "h2": ["asked", "declined"], "h3": ["asked", "accepted"],
            "h4": ["asked", "expired"], "h5": ["asked", "lost"]}, states)


@scenario
def friends(c):
    """Who is on the LAN is found, with names; who is in another subnet is not."""
    with Lab(hosts=5, subnets=2, files="1M") as campus:  # h1 to h3, and h4 and h5
        ids = {f"h{i}": campus.lend(f"h{i}").peer for i in (2, 3, 4, 5)}
        for host, others in (("h1", ["h2", "h3"]), ("h5", ["h4"])):
            found = campus.ask(host, "friends", "--wait=2", "--json")
            seen = {peer["name"]: peer["peer"] for peer in found}
            c.check(f"{host} finds exactly {' and '.join(others)}",
                    seen == {name: ids[name] for name in others}, ", ".join(seen))
            c.check("they are online and lending", found and all(
                peer["online"] and peer["lending"] and peer["addresses"] for peer in found))


@scenario
def guard_private(c):
    """A helper does not fetch from a private address unless it was allowed to."""
    file = "16M"
    with Lab(hosts=2, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        helper = campus.lend("h2", "--log=debug")
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin", "--ask", "everyone", "--unverified")
        done = c.finished(get, file, ideal_s(size_of(file), RATE) + SLACK_S)
        by, states = brought(done), get.help_states("h2")
        c.check("the helper is told as lost", states[-1:] == ["lost"], states)
        c.check("the helper says why", helper.logged(REFUSED), f"{len(helper.log)} lines of log")
        c.check("the helper brings nothing", not by.get("h2"), by)
        sent = campus.received("h2")
        c.check("the helper's line was not used", sent == 0, f"{sent:,} bytes")


@scenario
def guard_local(c):
    """A helper is not led to itself, to the gateway or to link-local addresses."""
    targets = {"loopback.lab": "127.0.0.1", "metadata.lab": "169.254.169.254",
               "gateway.lab": "10.77.1.1", "own.lab": "10.77.1.12"}
    sizes = [f"{n}K" for n in range(2048, 2058)]  # a file each, for its name and what it holds
    with Lab(hosts=2, files=",".join(sizes), lan="1gbit") as campus:
        folder = f"{campus.dir}/origin/www/f"
        campus.run("exec", "h2", "--", "ip", "address", "add", "169.254.169.254/32", "dev", "lo")
        traps = {host: campus.serve(host, folder, PORT) for host in ("h2", "gw")}
        mine = campus.serve("h1", folder, PORT, "--rate=400000")
        campus.name(campus.address("h1"), "control.lab", host="h2")
        for name, address in targets.items():
            campus.name(address, name, host="h2")
        campus.name("127.0.0.1", "control.lab", *targets, host="h1")  # for it, all are at home
        helper = campus.lend("h2", "--allow-private-origins", "--log=debug")
        literal = ["127.0.0.1", *list(targets)[1:]]
        rounds = (("where the helper may go", "http://{}:%d/" % PORT, ["control.lab"]),
                  ("by address or name", "http://{}:%d/" % PORT, literal),
                  ("by redirect", "http://control.lab:%d/to/{}/" % PORT, list(targets)))
        before = 0
        for how, url, names in rounds:
            files = [sizes.pop() + ".bin" for _ in names]
            get = campus.get("h1", "--ask=everyone", "--unverified", "--connections=1", *(
                url.format(name) + file for name, file in zip(names, files)))
            whole(c, campus, get, files, how)
            by = sum(brought(e).get("h2", 0) for e in get.events if e["event"] == "completed")
            refused, met = len(helper.logged(REFUSED)), sum(
                e.get("ip") == campus.address("h2") for e in mine.events)
            if names == ["control.lab"]:
                c.check(f"{how}: the helper fetches", by and met and not refused,
                        f"{by:,} bytes, {met} connections, {refused} refused")
            else:
                c.check(f"{how}: the helper refuses each", refused - before >= len(names),
                        f"{refused - before} times for {len(names)} links; {get.help_states()}")
                c.check(f"{how}: the helper brings nothing", by == 0, f"{by:,} bytes")
            before = refused
        for host, trap in traps.items():
            met = sum(e["event"] == "connection" for e in trap.events)
            c.check(f"what listens on {host} sees no connection", met == 0, f"{met} connections")


def whole(c, campus, get, files, how):
    """Several files of one command have come, each as the origin has it."""
    status = get.finish(SLACK_S)
    paths = [f"{campus.downloads('h1')}/{file}" for file in files]
    right = [os.path.isfile(path) and digest(path) == campus.sums[os.path.basename(path)]
             for path in paths]
    c.check(f"{how}: the requester has what it wants", status == 0 and all(right),
            "" if all(right) else f"exit {status}, right: {right}{get.last_words()}")


@scenario
def liar(c):
    """A helper that brings other bytes with the right validators: no wrong file gets the name."""
    file = "16M"
    with Lab(hosts=3, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        real, folder = f"{campus.dir}/origin/www/f/{file}.bin", f"{campus.dir}/false"
        os.mkdir(folder)
        false = shutil.copy2(real, folder)  # with its time, and so its ETag
        times = os.stat(real)
        with open(false, "r+b") as copy:
            for at in range(0, size_of(file), MIB):
                copy.seek(at)
                byte = copy.read(1)[0]
                copy.seek(at)
                copy.write(bytes([byte ^ 1]))
        os.utime(false, ns=(times.st_atime_ns, times.st_mtime_ns))
        server = campus.serve("h3", folder, 80)
        campus.name(campus.address("h3"), "origin.lab", "origin", host="h2")
        campus.lend("h2")
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin", "--ask=everyone",
                         f"--sha256={campus.sums[file + '.bin']}")
        status = get.finish(ideal_s(size_of(file), RATE) + SLACK_S)
        last = get.last("completed") or get.last("progress") or {"sources": []}
        lied = sum(e["event"] == "connection" for e in server.events)
        c.check("the helper did lie", brought(last).get("h2", 0) > 0 and lied, brought(last))
        there, failed = os.listdir(campus.downloads("h1")), get.last("failed") or {}
        if status == 0:
            c.finished(get, file, LOOK_TIMEOUT_S)
        else:
            c.check("it is a wrong digest that is told", failed.get("code") == "wrong-digest",
                    f"exit {status}, {failed.get('code')}: {failed.get('message')}")
            c.check("no file has the name", there == [f"{file}.bin.mismatch"], there)
