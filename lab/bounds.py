"""Scenarios of `campus` in which others want too much, or a helper has had enough."""
import os
import threading
import time

from harness import (
    HERE, LOOK_TIMEOUT_S, MIB, Lab, Program, brought, ideal_s, scenario, size_of)

SLACK_S = 60  # for finding, asking, and a busy machine
REQUESTS = 100
HALF_OPEN = 10_000
FLOOD_S = 120  # for a flood to come to its end
DEVICE_PROMPTS = 3  # in ten minutes from a stranger …
ADDRESS_PROMPTS = 3  # … from the strangers behind an address …
STRANGERS_PROMPTS = 5  # … and from all of them
SHOWN_S = 2  # until a friend's request is shown, whatever else goes on
GROWTH = 32 * MIB  # of the helper's memory
HANDSHAKES = 32  # places for handshakes; each is a descriptor …
TURN_OVER = 32  # … and so many may be on their way in or out
ADDRESSES = 64  # that a flood comes from
TUNNELS = 20
CLOSED_S = 1  # until nothing is carried any more
IDLE_S = 45  # until what the requesters keep for later is closed, too


class Watch:
    """What a helper holds, looked at all the time."""

    def __init__(self, helper: Program):
        self.folder = next(helper.process_folders())
        self.before = self.now()
        self.most, self.over = dict(self.before), threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def now(self):
        with open(self.folder + "/status") as status:
            rss = next(line for line in status if line.startswith("VmRSS:"))
        return {"memory": int(rss.split()[1]) << 10, "files": len(os.listdir(self.folder + "/fd"))}

    def look(self):
        while not self.over.wait(0.02):
            try:
                now = self.now()
            except (OSError, StopIteration):
                return
            self.most = {what: max(most, now[what]) for what, most in self.most.items()}

    def end(self):
        self.over.set()
        self.thread.join()
        return {what: (self.before[what], most) for what, most in self.most.items()}


def port_of(helper):
    return helper.wait_for("lending", LOOK_TIMEOUT_S)["listens"][0].rsplit(":", 1)[1]


def flood(campus, host, verb, helper, *more):
    return campus.on(host, HERE + "/flood", verb, campus.address(helper.host), port_of(helper), *more)


def befriend(campus, host, helper):
    """A device on a host asks once and is accepted: from then on it is a friend."""
    keys = f"{campus.dir}/{host}/keys"
    asking = flood(campus, host, "ask", helper, keys)
    request = helper.wait_for("request", LOOK_TIMEOUT_S)
    campus.ask(helper.host, "accept", request["id"])
    asking.wait_for("answered", LOOK_TIMEOUT_S, "accepted", lambda e: e["state"] == "accepted")
    asking.finish(LOOK_TIMEOUT_S)
    return keys


def shown_to(c, campus, host, keys, helper, when):
    """How long a friend's request takes to its prompt, from the first packet on."""
    known = {e["id"] for e in helper.events if e["event"] == "request"}
    asking = flood(campus, host, "ask", helper, keys)
    began = asking.wait_for("asking", LOOK_TIMEOUT_S)["time"]
    request = helper.wait_for("request", LOOK_TIMEOUT_S, "of the friend",
                              lambda e: e["friend"] and e["id"] not in known)
    took = request["at"] - began
    campus.ask(helper.host, "decline", request["id"])
    asking.wait_for("answered", LOOK_TIMEOUT_S, "declined", lambda e: e["state"] == "declined")
    c.check(f"{when} a friend's request is shown within {SHOWN_S} s", took <= SHOWN_S, f"{took:.2f} s")


def answers(program):
    """How many of the requests became prompts, were told that they are too many, and came to something else."""
    asked = [e for e in program.events if e["event"] == "asked"]
    shown = sum(e["state"] == "pending" for e in asked)
    many = sum(e["reason"] == "too-many" for e in asked)
    return len(asked), shown, many, len(asked) - shown - many


def prompts_of_strangers(helper):
    return sum(e["event"] == "request" and not e["friend"] for e in helper.events)


@scenario
def flood_requests(c):
    """Hundreds of requests of strangers: three prompts a device and an address, five in all, and a friend's is shown at once."""
    with Lab(hosts=5, files="1M", lan="1gbit") as campus:
        helper, other = (campus.lend(host, accept="ask") for host in ("h2", "h5"))
        keys = befriend(campus, "h1", helper)
        watch = Watch(helper)
        one = flood(campus, "h3", "requests", helper, f"{campus.dir}/h3/keys", f"--each={REQUESTS}")
        one.wait_for("asked", LOOK_TIMEOUT_S)
        shown_to(c, campus, "h1", keys, helper, "in the flood of one stranger")
        one.wait_for("flooded", FLOOD_S)
        asked, shown, many, rest = answers(one)
        c.check(f"of {REQUESTS} requests of a stranger {DEVICE_PROMPTS} are shown, the others are too many",
                (asked, shown, rest) == (REQUESTS, DEVICE_PROMPTS, 0), f"{shown} shown, {many} too many, {rest} else")
        crowd = flood(campus, "h4", "requests", helper, f"{campus.dir}/h4/keys", f"--devices={REQUESTS}")
        crowd.wait_for("asked", FLOOD_S)
        shown_to(c, campus, "h1", keys, helper, "in the flood of many strangers")
        crowd.wait_for("flooded", FLOOD_S)
        asked, shown, many, rest = answers(crowd)
        prompts = prompts_of_strangers(helper)  # with the one of who is a friend now
        c.check(f"with those of {REQUESTS} more strangers there are {STRANGERS_PROMPTS} in all",
                asked == REQUESTS and rest == 0 and prompts == STRANGERS_PROMPTS
                and shown == STRANGERS_PROMPTS - DEVICE_PROMPTS - 1,
                f"{prompts} prompts; {shown} shown, {many} too many, {rest} else")
        memory, files = watch.end().values()
        c.check(f"the helper's memory grows by less than {GROWTH // MIB} MiB", memory[1] - memory[0] < GROWTH,
                f"{memory[0] / MIB:.1f} to {memory[1] / MIB:.1f} MiB, {files[0]} to {files[1]} files")
        fresh = flood(campus, "h4", "requests", other, f"{campus.dir}/h4/keys", f"--devices={REQUESTS}")
        fresh.wait_for("flooded", FLOOD_S)
        asked, shown, many, rest = answers(fresh)
        prompts = prompts_of_strangers(other)
        c.check(f"of {REQUESTS} strangers behind one address {ADDRESS_PROMPTS} are shown",
                (asked, shown, rest, prompts) == (REQUESTS, ADDRESS_PROMPTS, 0, ADDRESS_PROMPTS),
                f"{prompts} prompts; {shown} shown, {many} too many, {rest} else")


@scenario
def flood_handshakes(c):
    """Ten thousand handshakes that are begun and left: a friend's request is shown at once, and nothing piles up."""
    with Lab(hosts=3, files="1M", lan="1gbit") as campus:
        helper = campus.lend("h2", accept="ask")
        keys = befriend(campus, "h1", helper)
        shown_to(c, campus, "h1", keys, helper, "before")
        sources = [f"10.77.1.{n}" for n in range(100, 100 + ADDRESSES)]
        for address in sources:
            campus.run("exec", "h3", "--", "ip", "address", "add", f"{address}/24", "dev", "eth0")
        for what, some in (("one address", sources[:1]), (f"{ADDRESSES} addresses", sources)):
            watch = Watch(helper)
            left = flood(campus, "h3", "handshakes", helper, str(HALF_OPEN), "--from=" + ",".join(some))
            left.wait_for("flooding", LOOK_TIMEOUT_S)
            shown_to(c, campus, "h1", keys, helper, f"while they come from {what},")
            still = not left.last("open")
            opened = left.wait_for("open", FLOOD_S)
            c.check(f"{what}: all are opened", opened["count"] >= HALF_OPEN * 0.99,
                    f"{opened['count']} opened, {opened['refused']} refused, "
                    f"the friend asked {'meanwhile' if still else 'afterwards'}")
            shown_to(c, campus, "h1", keys, helper, f"with those of {what} left open,")
            memory, files = watch.end().values()
            c.check(f"{what}: memory grows by less than {GROWTH // MIB} MiB", memory[1] - memory[0] < GROWTH,
                    f"{memory[0] / MIB:.1f} to {memory[1] / MIB:.1f} MiB")
            c.check(f"{what}: descriptors are bounded", files[1] <= files[0] + HANDSHAKES + TURN_OVER,
                    f"{files[0]} before, {files[1]} at most")
            left.kill()


def tunnels(campus, host):
    """Connections to the origin that are open on a host."""
    listed = campus.run("exec", host, "--", "ss", "-tnH", "state", "established", "dst", "10.78.0.0/24")
    return len(listed.splitlines())


@scenario
def switch(c):
    """A helper with five sessions switches lending off: every tunnel closes at once, and the requesters finish alone."""
    file, hosts = "128M", [f"h{i}" for i in range(1, 6)]
    with Lab(hosts=6, files=file, lan="1gbit", wan="1gbit") as campus:
        helper = campus.lend("h6")
        c.check("it is found", campus.ask("h1", "friends", "--wait=2", "--json"))  # all its sockets are open now
        before = Watch(helper).end()["files"][0]
        gets = [campus.get(host, f"https://origin.lab/perconn/{file}.bin", f"--ask={helper.peer}")
                for host in hosts]
        for get in gets:
            get.wait_for_help("h6", "accepted", SLACK_S)
        most, until = 0, time.monotonic() + ideal_s(size_of(file), "40mbit")
        while most < TUNNELS and time.monotonic() < until and not any(get.over() for get in gets):
            most = max(most, tunnels(campus, "h6"))
        watch = Watch(helper)
        c.check(f"five sessions have {TUNNELS} tunnels", most >= TUNNELS,
                f"{most} tunnels, {watch.before['files']} files")
        c.check("all downloads are under way", not any(get.over() for get in gets),
                f"{sum(get.last('progress')['bytes'] for get in gets):,} bytes so far")
        began = time.monotonic()
        campus.ask("h6", "rules", "off")
        said, still = time.monotonic(), 1
        while still and time.monotonic() < began + LOOK_TIMEOUT_S:
            still = tunnels(campus, "h6")
        took = time.monotonic() - said
        c.check(f"every tunnel is closed within {CLOSED_S} s", not still and took <= CLOSED_S,
                f"{took:.2f} s after the command, which took {said - began:.2f} s; {still} left")
        lent = {get.host: brought(get.last("progress")).get("h6", 0) for get in gets}
        for get in gets:
            done = c.finished(get, file, ideal_s(size_of(file), "10mbit") + SLACK_S)
            why = [e["reason"] for e in get.events if e["event"] == "help" and e["state"] == "lost"]
            more = brought(done).get("h6", 0) - lent[get.host]
            c.check(f"{get.host} is told why, and finishes alone", why == ["stopped"] and more < MIB,
                    f"{why}, {brought(done)}; {more:,} bytes more from the helper")
        left, until = watch.now()["files"], time.monotonic() + IDLE_S
        while left > before and time.monotonic() < until:
            time.sleep(0.2)
            left = watch.now()["files"]
        watch.end()
        c.check("the helper's descriptors are those from before", left <= before,
                f"{before} before, {watch.before['files']} in the middle, {left} after")
