"""Scenarios of `campus` in which one host downloads alone."""
import os
import shutil
import time

from harness import MIB, Lab, Skipped, ideal_s, scenario, size_of

SLACK_S = 30  # for retries and waiting, where the speed is not what is asked
REFETCH = 16 * MIB  # may be fetched again after a crash or a lost connection
CUT_S = 3  # how long an origin or a cable is away


def alone(c, path, rate="100mbit", file="8M", scheme="http"):
    """One host gets one file; how is up to the path. Returns the lab's counted answers."""
    with Lab(files=file, origin_per_ip=rate) as campus:
        get = campus.get("h1", f"{scheme}://origin.lab/{path}/{file}.bin")
        c.finished(get, file, ideal_s(size_of(file), rate) + SLACK_S)
        return campus.answers()


@scenario
def limit(c):
    """Alone, the limit per address is used to at least 80 %."""
    file, rate = "16M", "20mbit"
    with Lab(files=file, origin_per_ip=rate) as campus:
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin")
        ideal = ideal_s(size_of(file), rate)
        c.finished(get, file, ideal + SLACK_S)
        share = ideal / get.seconds()
        c.check("at least 80 % of the limit", share >= 0.8,
                f"{share:.0%}, {get.seconds():.1f} s, ideal {ideal:.1f} s")
        surplus = campus.received("h1") - size_of(file)
        c.check("little is fetched twice", surplus <= size_of(file) // 20, f"{surplus:,} bytes")


@scenario
def per_connection(c):
    """A limit per connection is overcome by several of them."""
    file = "16M"
    with Lab(files=file) as campus:
        get = campus.get("h1", f"http://origin.lab/perconn/{file}.bin")
        one = size_of(file) / 625_000
        c.finished(get, file, one + SLACK_S)
        at_a_time = campus.answers_at_a_time()
        c.check("it asks over several connections at a time", at_a_time >= 1.5,
                f"{at_a_time:.1f} on average")
        # The server gives each connection a second's worth at its start.
        c.check("faster than one connection can be", get.seconds() <= one - 2,
                f"{get.seconds():.1f} s, with one {one:.1f} s")


@scenario
def https(c):
    """Over TLS, from an origin that the system trusts."""
    alone(c, "f", scheme="https")


@scenario
def untrusted(c):
    """A certificate that nobody vouches for ends the download, with the reason."""
    with Lab(files="1M") as campus:
        get = campus.get("h1", "https://origin.lab:8443/f/1M.bin")
        status, failed = get.finish(SLACK_S), get.last("failed") or {}
        c.check("fails for its certificate", status == 1 and failed.get("code") == "tls",
                f"exit {status}, {failed.get('code')}: {failed.get('message')}")


@scenario
def sha256(c):
    """A digest that is known before is checked: the right one, and a wrong one."""
    file = "1M"
    with Lab(files=file) as campus:
        url, right = f"http://origin.lab/f/{file}.bin", campus.sums[file + ".bin"]
        wrong = right[::-1]
        get = campus.get("h1", url, "--sha256", wrong)
        status, failed = get.finish(SLACK_S), get.last("failed") or {}
        c.check("a wrong one fails", status == 1 and failed.get("code") == "wrong-digest",
                f"exit {status}, {failed.get('code')}: {failed.get('message')}")
        there = os.listdir(campus.downloads("h1"))
        c.check("the file is kept as mismatch", there == [f"{file}.bin.mismatch"], there)
        os.remove(f"{campus.downloads('h1')}/{there[0]}")
        get = campus.get("h1", url, "--out", "x", "--sha256", right)
        done = c.finished(get, file, SLACK_S, "x")
        c.check("the right one is what is said", done["sha256"] == right and
                done["verification"] == "verified", done["verification"])


@scenario
def norange(c):
    """An origin that ignores ranges: one stream."""
    alone(c, "norange")


@scenario
def nolength(c):
    """An origin that does not say how long the file is."""
    alone(c, "nolength")


@scenario
def redirect(c):
    """An origin that sends to another path."""
    answers = alone(c, "redirect")
    c.check("it was redirected", answers[302], dict(answers))


@scenario
def flaky(c):
    """An origin that answers three of ten requests with 503."""
    file, rounds = "4M", 20  # one chance in a thousand that none of so many meets one
    with Lab(files=file, origin_per_ip="200mbit") as campus:
        for _ in range(rounds):
            get = campus.get("h1", f"http://origin.lab/flaky/{file}.bin")
            c.finished(get, file, 2 * SLACK_S)
            if campus.answers()[503]:
                break
            os.remove(f"{campus.downloads('h1')}/{file}.bin")
        c.check("some answers were 503", campus.answers()[503], dict(campus.answers()))


@scenario
def conn2(c):
    """An origin that takes two requests at a time from an address, each with its own limit."""
    file = "32M"
    with Lab(files=file) as campus:
        get = campus.get("h1", f"http://origin.lab/conn2/{file}.bin")
        one = size_of(file) / 2_500_000
        c.finished(get, file, one + SLACK_S)
        refused = campus.answers()[429]
        c.check("the limit is learnt, not fought", refused <= 20, f"{refused} times 429")
        c.check("faster than with one connection", get.seconds() <= one * 0.8,
                f"{get.seconds():.1f} s, with one {one:.1f} s")


@scenario
def kill(c):
    """The requester is killed three times, and goes on where it was."""
    file, rate, kills = "256M", "200mbit", 3
    size, url = size_of(file), f"http://origin.lab/f/{file}.bin"
    with Lab(files=file, origin_per_ip=rate) as campus:
        reached = 0
        for n in range(1, kills + 2):
            get = campus.get("h1", url)
            kept = get.wait_for("progress", SLACK_S)["bytes"]
            if n > 1:
                c.check(f"at most 16 MiB are lost by kill {n - 1}", kept >= reached - REFETCH,
                        f"{reached:,} bytes before, {kept:,} after")
            if n > kills:
                break
            get.wait_for_bytes(size * n // (kills + 1), ideal_s(size, rate) + SLACK_S)
            get.kill()
            reached = get.last("progress")["bytes"]
            c.check(f"kill {n} was in the middle", not get.last("completed"), f"{reached:,} bytes")
        c.finished(get, file, ideal_s(size, rate) + SLACK_S)
        surplus = campus.received("h1") - size
        c.check("at most 16 MiB are fetched again for each kill", surplus <= kills * REFETCH,
                f"{surplus:,} bytes")


def interrupted(c, away, back):
    """In mid-download something goes away, and comes back after a while."""
    file, rate = "64M", "100mbit"
    size = size_of(file)
    with Lab(files=file, origin_per_ip=rate) as campus:
        get = campus.get("h1", f"http://origin.lab/f/{file}.bin")
        get.wait_for_bytes(size // 3, ideal_s(size, rate) + SLACK_S)
        campus.run(*away)
        time.sleep(CUT_S)
        before = get.last("progress")["bytes"]
        c.check("it was in the middle", before < size and not get.over(), f"{before:,} bytes")
        campus.run(*back)
        rest = time.monotonic()
        c.finished(get, file, ideal_s(size, rate) + 2 * SLACK_S)
        rest = get.ended - rest
        c.check("it goes on by itself, soon", rest <= ideal_s(size - before, rate) + SLACK_S,
                f"{rest:.1f} s for the rest, ideal {ideal_s(size - before, rate):.1f} s")
        surplus = campus.received("h1") - size
        c.check("at most 16 MiB are fetched again", surplus <= REFETCH, f"{surplus:,} bytes")


@scenario
def origin_restart(c):
    """The origin's servers are killed and started again."""
    interrupted(c, ["kill-origin"], ["restart-origin"])


@scenario
def cable(c):
    """The host is cut from the network for three seconds."""
    interrupted(c, ["cut", "h1"], ["heal", "h1"])


@scenario
def ftp(c):
    """Alone, from an FTP server."""
    if not shutil.which("vsftpd"):
        raise Skipped("vsftpd is not installed")
    file, rate = "8M", "100mbit"
    with Lab(files=file, origin_per_ip=rate) as campus:
        get = campus.get("h1", f"ftp://origin.lab/{file}.bin")
        c.finished(get, file, ideal_s(size_of(file), rate) + SLACK_S)
