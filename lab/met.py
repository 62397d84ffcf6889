"""Scenarios of `campus` in which a rendezvous server brings hosts together that no multicast can.

Each host of a routed campus is alone in its subnet.
"""
import os
import time

from harness import (
    LOOK_TIMEOUT_S, MIB, Failed, Lab, brought, ideal_s, scenario, size_of)

SLACK_S = 30  # for finding, asking and waiting
RATE = "20mbit"  # what the origin gives each address
HELPERS = ("h2", "h3", "h4")
GAIN = 3.0  # times as fast with three helpers as alone; 3.6 on a machine with nothing else to do
LEAST = 0.1  # of the file, from each helper
HELP_S = 15  # until a peer is found and asked
MEET_S = 20  # until somebody who joins a group is listed
MANY = 16  # hosts, when it is about all coming back at once
AWAY_S = 150  # until who was lost has not answered AWAY times, each pause twice as long as the one before
AWAY = 4  # the next pause is of 30 s at least
BACK_S = 20  # until friends are online again, once this device has its network back
RETURN_S = 30  # until everybody is listed again after the server came back
LOOK = ("friends", "--wait=6", "--json")
WALL = ("add table inet wall; "
        "add chain inet wall in { type filter hook input priority 0; policy drop; }; "
        "add rule inet wall in iif lo accept; "
        "add rule inet wall in ct state established,related accept")


def routed_campus(file, hosts=4, **more):
    """One subnet for each host, and one for the server."""
    return Lab(hosts=hosts, subnets=hosts, files=file, lan="1gbit", origin_per_ip=RATE,
               rendezvous=True, **more)


def lend(campus, host, invite, *more):
    return campus.lend(host, "--allow-private-origins", f"--rendezvous={invite}", *more)


def listed(watcher, ids, since=0.0, timeout=MEET_S):
    """When each of the devices was listed, for the first time from a moment on."""
    return {name: watcher.wait_for("present", timeout, f"of {name}", lambda e, peer=peer: (
        e["id"] == peer and e["at"] >= since))["at"] for name, peer in ids.items()}


def met_by_group(peer):
    return any(way.get("by") == "group" for way in peer.get("found", []))


def together(c, campus, url, file, invite, *more):
    """A download with everybody's help: at least so fast, and everybody brings a part."""
    get = campus.get("h1", url, "--ask=everyone", f"--rendezvous={invite}", *more)
    alone = ideal_s(size_of(file), RATE)
    done = finished(c, get, file)
    by, what = brought(done), url.partition(":")[0]
    gain = alone / get.seconds()
    c.check(f"{what}: at least {GAIN} times as fast as alone", gain >= GAIN,
            f"{get.seconds():.1f} s, alone {alone:.1f} s: {gain:.2f} times")
    c.check(f"{what}: every helper brings {LEAST:.0%} at least", all(
        by.get(host, 0) >= size_of(file) * LEAST for host in HELPERS), by)
    return done


@scenario
def routed(c):
    """Four subnets and a rendezvous server: three helpers behind routers help as on one LAN, over http and https."""
    file = "128M"
    with routed_campus(file) as campus:
        invite = campus.group("h1", campus.rendezvous(), "Dorm")
        for host in HELPERS:
            lend(campus, host, invite)
        together(c, campus, f"http://origin.lab/f/{file}.bin", file, invite, "--unverified")
        done = together(c, campus, f"https://origin.lab/f/{file}.bin", file, invite)
        c.check("over https they help as relays", all(
            s["mode"] == "relay" for s in done["sources"] if s["kind"] == "helper"))


@scenario
def routed_alone(c):
    """Four subnets without a server: nobody is found, and it is said why and what to do."""
    file = "32M"
    with routed_campus(file) as campus:
        for host in HELPERS:
            campus.lend(host)
        look = campus.start("h1", *LOOK)
        look.finish(LOOK_TIMEOUT_S)
        c.check("no friend is found", not look.events, look.events)
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin", "--ask=everyone", "--unverified")
        done = c.finished(get, file, ideal_s(size_of(file), RATE) + SLACK_S)
        c.check("the origin brings all", not [n for n in HELPERS if brought(done).get(n)],
                brought(done))
        for what, program in (("friends", look), ("get", get)):
            said = " ".join(program.log).lower()
            c.check(f"{what} says why, and what to do", "router" in said and "invite" in said,
                    said[-300:])


@scenario
def unannounced(c):
    """One LAN, and nobody announces anything: the rendezvous server is enough."""
    file = "64M"
    with Lab(hosts=4, files=file, lan="1gbit", origin_per_ip=RATE, rendezvous=True) as campus:
        invite = campus.group("h1", campus.rendezvous(), "Dorm")
        for host in HELPERS:
            lend(campus, host, invite, "--no-mdns")
        together(c, campus, f"http://origin.lab/f/{file}.bin", file, invite, "--unverified",
                 "--no-mdns")
        together(c, campus, f"https://origin.lab/f/{file}.bin", file, invite, "--no-mdns")
        found = [p for p in campus.ask("h1", "--no-mdns", *LOOK) if p.get("online")]
        c.check("all are found by the server, and not by multicast", len(found) >= 3 and all(
            met_by_group(p) and {"by": "lan"} not in p["found"] for p in found), [
                p.get("found") for p in found])


@scenario
def server_dies(c):
    """The rendezvous server is killed in mid-download and before one: nothing stops, and all come back to it."""
    first, second, third = files = "64M", "48M", "32M"
    with routed_campus(",".join(files), MANY) as campus:
        server = campus.rendezvous()
        invite = campus.group("h1", server, "Dorm")
        watcher = campus.member("rv", invite)
        window = lend(campus, "h1", invite)  # as a window that stays open: gets are its own
        helpers = {f"h{i}": lend(campus, f"h{i}", invite) for i in range(2, MANY + 1)}
        ids = {name: helper.peer for name, helper in helpers.items()}
        listed(watcher, ids)
        pair(campus, "h1", "h2", ids["h2"])
        asked = "--ask=" + ",".join(ids[name] for name in HELPERS)
        get = campus.get("h1", f"http://origin.lab/f/{first}.bin", asked)
        for name in HELPERS:
            get.wait_for_help(name, "accepted", HELP_S)
        get.wait_for_bytes(size_of(first) // 4, ideal_s(size_of(first), RATE))
        server.kill()
        left = size_of(first) - get.last("progress")["bytes"]
        c.check("the server was killed in the middle", left > size_of(first) // 4, f"{left:,}")
        done = finished(c, get, first)
        c.check("no help was lost", "lost" not in get.help_states(), get.help_states())
        c.check("all helpers brought a part", all(brought(done).get(n) for n in HELPERS),
                brought(done))
        get = campus.get("h1", f"http://origin.lab/f/{second}.bin", "--ask=everyone",
                         "--unverified")
        by = brought(finished(c, get, second))
        c.check("without the server, who was listed helps with the next one",
                sum(map(bool, map(by.get, ids))) >= len(HELPERS), by)
        window.kill()
        get = campus.get("h1", f"http://origin.lab/f/{third}.bin", "--ask=friends", "--unverified")
        by = brought(finished(c, get, third))
        c.check("after a new start, too, a friend helps", by.get("h2", 0) >= size_of(third) * LEAST,
                by)
        campus.rendezvous()
        back = time.monotonic()
        arrived = sorted(when - back for when in listed(
            watcher, ids, back, RETURN_S + LOOK_TIMEOUT_S).values())
        c.check(f"all are listed again within {RETURN_S} s", arrived[-1] <= RETURN_S,
                "after " + ", ".join(f"{s:.1f}" for s in arrived) + " s")


def finished(c, get, file):
    """A download that has ended well; its file makes room."""
    done = c.finished(get, file, ideal_s(size_of(file), RATE) + SLACK_S)
    os.remove(f"{get.lab.downloads(get.host)}/{file}.bin")
    return done


def pair(campus, host, other, peer):
    """Both say that the codes are the same."""
    pairing = campus.start(host, "pair", peer, "--json")
    code = pairing.wait_for("pairing", LOOK_TIMEOUT_S, "with a code", lambda e: e.get("code"))["code"]
    for who in (other, host):
        campus.ask(who, "confirm", code)
    if pairing.finish(LOOK_TIMEOUT_S):
        raise Failed(f"{host} and {other} do not pair{pairing.last_words()}")


@scenario
def group_bounds(c):
    """Who was removed sees nobody; another server in its place is refused; what the server keeps to itself."""
    file = "16M"
    with routed_campus(file) as campus:
        server = campus.rendezvous()
        old = campus.group("h1", server, "Dorm")
        h2, h3 = lend(campus, "h2", old), lend(campus, "h3", old)
        before = campus.member("rv", old)
        listed(before, {"h2": h2.peer, "h3": h3.peer})
        observed(c, campus, old)
        url = f"http://origin.lab/f/{file}.bin"
        done = c.finished(campus.get("h1", url, "--ask=everyone", "--unverified"), file,
                          ideal_s(size_of(file), RATE) + SLACK_S)
        c.check("they helped", brought(done).get("h2") and brought(done).get("h3"), brought(done))
        silence(c, server, file)
        new = rotate(campus, "h1", "Dorm")
        campus.ask("h2", "group", "leave", "Dorm")  # while it lends
        campus.ask("h2", "group", "join", new)
        inside = campus.member("rv", new)
        listed(inside, {"h2": h2.peer})
        before.wait_for("gone", MEET_S, "of h2", lambda e: e["id"] == h2.peer)
        outside = campus.member("rv", old)
        outside.wait_for("ready", LOOK_TIMEOUT_S)
        c.check("the new group does not list who was removed", h3.peer not in ids_of(inside))
        c.check("who was removed sees only itself", ids_of(outside) == {h3.peer},
                f"{len(ids_of(outside))} listed")
        c.check("what the removed one has of the group is worth nothing at the new one",
                group_of(inside) != group_of(outside))
        another(c, campus, server, new)


def observed(c, campus, invite):
    """A header that says where somebody comes from has no effect."""
    member = campus.member("h4", invite, "--once", "--header=X-Forwarded-For: 10.99.99.99",
                           "--header=Forwarded: for=10.99.99.99", "--header=X-Real-IP: 10.99.99.99")
    said = member.wait_for("session", LOOK_TIMEOUT_S)["observed"]
    c.check("a spoofed proxy header is without effect",
            said.startswith(campus.address("h4")), said)


def rotate(campus, host, name):
    said = campus.ask(host, "group", "rotate", name, "--json")
    invite = next((event["invite"] for event in said if "invite" in event), None)
    if invite is None:
        raise Failed(f"group rotate says {said}")
    return invite


def ids_of(member):
    """Everybody whom the server has ever listed to a member."""
    with member.changed:
        return {event["id"] for event in member.events if event.get("event") == "present"}


def group_of(member):
    return member.wait_for("session", LOOK_TIMEOUT_S)["group"]


def silence(c, server, file):
    """Neither links nor names of files reach the server; addresses do not reach its log."""
    memory, log = server.memory(), "\n".join(server.log)
    c.check("its memory holds neither the link nor the file's name", memory and not [
        word for word in ("origin.lab", f"{file}.bin") if word.encode() in memory],
        f"{len(memory) / MIB:.0f} MiB")
    c.check("its log holds no member's address", "10.77." not in log and "h2" not in log,
            f"{len(server.log)} lines")


def another(c, campus, server, invite):
    """At the same address there is a server with another key."""
    server.kill()
    for name in os.listdir(f"{campus.dir}/rv/profile"):
        os.remove(f"{campus.dir}/rv/profile/{name}")
    other = campus.rendezvous()
    c.check("without its key it is another server", other.id != server.id)
    look = campus.start("h4", f"--rendezvous={invite}", *LOOK)
    look.finish(LOOK_TIMEOUT_S)
    said = " ".join(look.log).lower()
    c.check("it is refused, with words", "another" in said and not look.events, said[-300:])


@scenario
def back(c):
    """A host loses its network until its friend is in back-off: when the cable is plugged in again the friend is there at once."""
    with routed_campus("1M", hosts=2) as campus:
        invite = campus.group("h1", campus.rendezvous(), "Dorm")
        h1 = lend(campus, "h1", invite, "--log=manyhands_peer=debug")
        h2 = lend(campus, "h2", invite)
        pair(campus, "h1", "h2", h2.peer)
        short = h2.peer[:8]
        said(h1, ("online", short), 1, MEET_S)
        campus.run("cut", "h1")
        said(h1, ("no greeting", short), AWAY, AWAY_S)
        rows = campus.ask("h1", "friends", "--wait=1", "--json")
        c.check("without its network nobody is online",
                not [row for row in rows if row.get("online")], rows)
        campus.run("heal", "h1")
        began = time.monotonic()
        said(h1, ("online", short), 2, AWAY_S)
        took = time.monotonic() - began
        c.check(f"its friend is online within {BACK_S} s of its return", took <= BACK_S,
                f"{took:.1f} s")


def said(program, words, times, timeout):
    """Waits until a program has logged a line with all of these words so often."""
    def count():
        return sum(all(word in line for word in words) for line in program.log)
    with program.changed:
        program.changed.wait_for(lambda: program.over() or count() >= times, timeout)
        found = count()
    if found < times:
        raise Failed(f"{found} lines with {words}{program.last_words()}")


@scenario
def isolated(c):
    """A host whose firewall swallows what comes in is listed as one that does not answer, and helps nevertheless."""
    file = "32M"
    with routed_campus(file) as campus:
        server = campus.rendezvous()
        invite = campus.group("h1", server, "Dorm")
        campus.run("exec", "h3", "--", "nft", WALL)
        helpers = {host: lend(campus, host, invite) for host in ("h2", "h3")}
        listed(campus.member("rv", invite), {n: h.peer for n, h in helpers.items()})
        seen = {row.get("name"): row for row in campus.ask(
            "h1", "friends", "--wait=12", "--json")}
        c.check("the open one is reached", (seen.get("h2") or {}).get("reached"), seen.get("h2"))
        walled = seen.get("h3") or {}
        c.check("the walled one is listed, with the reason", met_by_group(walled) and (
            walled.get("noWay") == "no_answer"), walled)
        found = {host: [row.get("callable", {}).get("callable") for row in campus.ask(
            host, "group", "list", "--json")] for host in helpers}
        c.check("each of them knows whether the server can call it",
                found == {"h2": ["yes"], "h3": ["no"]}, found)
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin", "--ask=everyone", "--unverified")
        done = c.finished(get, file, ideal_s(size_of(file), RATE) + SLACK_S)
        by = brought(done)
        c.check("the open one helps", by.get("h2", 0) >= size_of(file) * LEAST, by)
        c.check("the walled one is rung, calls back and helps", by.get("h3", 0) > 0, by)
