"""Scenarios of `campus` in which helpers carry the requester's own encrypted connections."""
import os

from harness import (
    HERE, LOOK_TIMEOUT_S, MIB, Lab, brought, ideal_s, scenario, size_of)

SLACK_S = 30  # for finding, asking and waiting
RATE = "20mbit"  # what the origin gives each address
GAIN = 3.6  # times as fast with three relays as alone …
OF_FETCH = 0.95  # … and so much of what fetch mode brings over http
RELEASE_S = 15  # until helpers that bring nothing are let go: about eight, more where it is measured again
ALONE = 1.1  # times as long as alone is not slower, on a busy machine
HELP_S = 15  # until a peer is found and asked
SAMPLE = 64  # bytes of the file that are looked for in what a helper saw
GIB = 1 << 30


def timed(c, campus, url, file, *more):
    """Downloads with everybody's help: how long it took, what is told, and what it cost whom."""
    get = campus.get("h1", url, "--ask", "everyone", *more)
    cpu = 0.0
    limit = ideal_s(size_of(file), RATE) + SLACK_S
    while not get.over():
        cpu = max(cpu, get.cpu_seconds())
        with get.changed:
            get.changed.wait_for(get.over, 0.1)
    done = c.finished(get, file, limit)
    return get, done, cpu


@scenario
def relays(c):
    """Three relays over https: 3.6 times as fast as alone, hardly slower than fetching over http, and they see nothing."""
    file = "128M"
    size, alone = size_of(file), ideal_s(size_of(file), RATE)
    with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        helpers = [campus.lend(f"h{i}") for i in (2, 3, 4)]
        fetched, done, _ = timed(c, campus, f"http://origin.lab/f/{file}.bin", file, "--unverified")
        c.check("fetch mode: what nothing vouches for is called so",
                done["verification"] in ("consistent", "unchecked"), done["verification"])
        path = f"{campus.downloads('h1')}/{file}.bin"
        os.remove(path)
        seen = f"{campus.dir}/h2/seen"
        sniffer = campus.on("h2", HERE + "/sniff", "eth0", seen)
        sniffer.wait_for("sniffing", LOOK_TIMEOUT_S)
        before = {helper.host: helper.cpu_seconds() for helper in helpers}
        get, done, cpu = timed(c, campus, f"https://origin.lab/f/{file}.bin", file)
        sniffer.kill()
        by = brought(done)
        c.check(f"{GAIN} times as fast as alone", get.seconds() <= alone / GAIN,
                f"{get.seconds():.1f} s, alone {alone:.1f} s: {alone / get.seconds():.2f} times")
        c.check(f"at least {OF_FETCH:.0%} of fetch mode over http",
                fetched.seconds() >= get.seconds() * OF_FETCH,
                f"fetch {fetched.seconds():.1f} s, relay {get.seconds():.1f} s: "
                f"{fetched.seconds() / get.seconds():.0%}")
        c.check("every relay brings a tenth at least", all(
            by.get(h.host, 0) >= size // 10 for h in helpers), by)
        c.check("they help as relays", all(
            s["mode"] == "relay" for s in done["sources"] if s["kind"] == "helper"))
        c.check("the file is from the server", done["verification"] == "from-server",
                done["verification"])
        carried = {h.host: h.cpu_seconds() - before[h.host] for h in helpers}
        per = {h.host: carried[h.host] * GIB / by[h.host] for h in helpers if by.get(h.host)}
        c.check("what it costs", True, f"CPU s/GiB: requester {cpu * GIB / size:.2f}, "
                f"helpers {', '.join(f'{name} {s:.2f}' for name, s in per.items())}")
        with open(path, "rb") as content, open(seen, "rb") as frames:
            frames = frames.read()
            samples = []
            for at in range(0, size, size // 64):
                content.seek(at)
                samples.append(content.read(SAMPLE))
        c.check("the capture holds what was carried", len(frames) >= by["h2"], f"{len(frames):,} bytes")
        found = [what for what in (f"/f/{file}.bin".encode(), *samples) if what in frames]
        c.check("on the wire of a relay there is neither link nor content", not found, f"{len(found)}")


@scenario
def relay_login(c):
    """Logins and redirects to another server work through relays, who learn neither cookie nor path."""
    file = "16M"
    secrets = [b"letmein", b"YWxpY2U6c2VjcmV0", b"/cookie/", b"/auth/"]
    with Lab(hosts=2, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        helper = campus.lend("h2", "--log=debug", "--allow-private-origins")
        who = f"--ask={helper.peer}"
        for what, url, more in (
                ("a cookie", f"https://origin.lab/cookie/{file}.bin", ["-H", "Cookie: pass=letmein"]),
                ("a password", f"https://alice:secret@origin.lab/auth/{file}.bin", []),
                ("a redirect to another server", f"https://origin.lab/elsewhere/{file}.bin", [])):
            get = campus.get("h1", url, who, *more)
            done = c.finished(get, file, ideal_s(size_of(file), RATE) + SLACK_S)
            c.check(f"{what}: the relay brings a quarter at least",
                    brought(done).get("h2", 0) >= size_of(file) // 4, brought(done))
            c.check(f"{what}: the file is from the server", done["verification"] == "from-server",
                    done["verification"])
            os.remove(f"{campus.downloads('h1')}/{file}.bin")
        asked = [e["origins"] for e in helper.events if e["event"] == "helping"]
        c.check("the relay is told the servers, and no more", asked == [
            ["https://origin.lab"], ["https://origin.lab"],
            ["https://origin.lab", "https://mirror.lab"]], asked)
        memory, log = helper.memory(), "\n".join(helper.log).encode()
        found = [secret for secret in secrets if secret in memory or secret in log]
        c.check("neither its memory nor its log holds a secret", memory and not found,
                f"{len(memory):,} and {len(log):,} bytes: {found}")
        refused = campus.get("h1", f"https://origin.lab/cookie/{file}.bin", who)
        status = refused.finish(SLACK_S)
        c.check("without the cookie the server refuses", status != 0 and (
            refused.last("failed") or {}).get("code") == "refused-by-server", status)


@scenario
def relay_spread(c):
    """Of a server that leads some requests to a mirror, a relay carries the rest while it is asked for that one, too."""
    file = "96M"
    servers = ["https://origin.lab", "https://mirror.lab"]
    for answer in ("accept", "decline"):
        with Lab(hosts=2, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
            helper = campus.lend("h2", "--allow-private-origins", accept="ask")
            get = campus.get("h1", f"https://origin.lab/spread/{file}.bin", f"--ask={helper.peer}")
            first = helper.wait_for("request", HELP_S)
            c.check("the server of the link is agreed to", first["origins"] == servers[:1],
                    first["origins"])
            leads = f"{campus.dir}/origin/spread"
            open(leads, "x").close()
            campus.ask("h2", "accept", first["id"])
            second = helper.wait_for("request", SLACK_S, "that names the mirror",
                                     lambda e: e["id"] != first["id"])
            c.check("the mirror is asked for, too", second["origins"] == servers, second["origins"])
            os.remove(leads)
            goes_on(get, MIB)
            c.check("meanwhile it helps as agreed", get.help_states("h2") == ["asked", "accepted"]
                    and not helper.last("helped"), get.help_states("h2"))
            if answer == "accept":  # and everything leads there from now on
                open(leads, "x").close()
            campus.ask("h2", answer, second["id"])
            if answer == "accept":
                over = helper.wait_for("helped", LOOK_TIMEOUT_S, "as agreed first",
                                       lambda e: e["id"] == first["id"])
                at = helper.last("helping")
                c.check("one session takes the place of the other", at["id"] == second["id"] and
                        at["origins"] == servers and over["sentBytes"], at["origins"])
            goes_on(get, 4 * MIB)
            done = c.finished(get, file, ideal_s(size_of(file), RATE) + SLACK_S)
            by, asked = brought(done), [e for e in helper.events if e["event"] == "request"]
            c.check(f"after {answer}: it helps on, and is asked no more",
                    by.get("h2", 0) >= size_of(file) // 8 and len(asked) == 2,
                    f"{by}, asked {len(asked)} times")
            c.check(f"after {answer}: that is all that is said",
                    get.help_states("h2") == ["asked", "accepted"], get.help_states("h2"))


def goes_on(get, bytes):
    """A helper brings so much more."""
    before = brought(get.last("progress")).get("h2", 0)
    get.wait_for("progress", SLACK_S, f"with {bytes:,} bytes more of the helper",
                 lambda e: brought(e).get("h2", 0) >= before + bytes)


@scenario
def https_asking(c):
    """Strangers may carry what is fetched over https, and never learn which link it is."""
    file = "16M"
    url, ideal = f"https://origin.lab/f/{file}.bin", ideal_s(size_of(file), RATE)
    with Lab(hosts=2, files=file, lan="1gbit", origin_per_ip=RATE) as campus:
        helper = campus.lend("h2")
        get = campus.get("h1", url, "--ask=everyone", "--mode=fetch", "--unverified")
        c.finished(get, file, ideal + SLACK_S)
        c.check("no stranger is asked to fetch it", not get.help_states() and not
                helper.last("helping"), get.help_states())
        os.remove(f"{campus.downloads('h1')}/{file}.bin")
        get = campus.get("h1", url, "--ask=everyone")
        done = c.finished(get, file, ideal + SLACK_S)
        c.check("a stranger carries it", "accepted" in get.help_states("h2"), get.help_states("h2"))
        what = {k: helper.last("helping")[k] for k in ("mode", "origins", "fileName")}
        c.check("and is told the server alone", what == {
            "mode": "relay", "origins": ["https://origin.lab"], "fileName": None}, what)
        c.check("and brings a quarter at least", brought(done).get("h2", 0) >= size_of(file) // 4,
                brought(done))


@scenario
def one_ip(c):
    """Helpers behind the requester's own public address are recognised, let go, and it is said why."""
    file = "96M"
    alone = ideal_s(size_of(file), RATE)
    with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=RATE, one_ip=True) as campus:
        for i in (2, 3, 4):
            campus.lend(f"h{i}")
        get = campus.get("h1", f"https://origin.lab/f/{file}.bin", "--ask", "everyone")
        began = get.wait_for("help", HELP_S, "of a yes", lambda e: e["state"] == "accepted")["at"]
        over = [get.wait_for("help", RELEASE_S * 2, f"of {name} being let go",
                             lambda e, name=name: e["name"] == name and e["reason"] == "no_gain")
                for name in ("h2", "h3", "h4")]
        late = max(e["at"] for e in over) - began
        c.check(f"all are let go within {RELEASE_S} s, with the reason", late <= RELEASE_S,
                f"{late:.1f} s")
        c.finished(get, file, alone + SLACK_S)
        c.check("not slower than alone", get.seconds() <= alone * ALONE,
                f"{get.seconds():.1f} s, alone {alone:.1f} s")
