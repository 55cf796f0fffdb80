"""What ``tests/soak.py`` looks at in the end: /proc, the upstream's notes, the journal, memory.

Each check says in words what is wrong, and nothing when all is well.
"""

import asyncio
import json
import statistics
from collections import Counter
from pathlib import Path

import psycopg

from serve.conversations import CAPACITY
from tests.soak_parts import Call

#: file descriptors, threads and tasks more than before that are no leak: pools may grow
FEW = 8
#: what must not stand in the service's log
BAD_WORDS = ("Traceback", "unforeseen", "never retrieved", "never awaited", "Unclosed")
#: from how many requests on memory is judged, when it counts as warm, and how much it may grow
JUDGED_FROM, WARM, MOST_GROWTH = 5000, 2000, 1.10


def connections(port, *, local):
    """Open TCP connections of this machine whose local or other end is ``port``."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        end = int(fields[1 if local else 2].rpartition(":")[2], 16)
        # neither listening nor in TIME_WAIT, which no process holds
        found += end == port and fields[3] not in ("0A", "06")
    return found


def listens(port):
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ours = (line.split() for line in lines)
    return any(f[3] == "0A" and int(f[1].rpartition(":")[2], 16) == port for f in ours)


def resident(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def leaks(now, before):
    """In words, what is held beyond what was before."""
    found = [
        f"{name}: {now[name]} in the end, {before[name]} before"
        for name in ("file_descriptors", "threads", "tasks")
        if now[name] is not None and now[name] > before[name] + FEW
    ]
    # one is the connection of this very look
    found += [f"{now['upstream_connections']} upstream connections"] * (
        now["upstream_connections"] > 0
    )
    return found + [f"{now['client_connections']} client connections"] * (
        now["client_connections"] > 2
    )


def verdicts(soak, calls):
    """In words, each call that did not go as it had to."""
    low, high = soak.outage
    for call in calls:
        during = call.started < high and call.ended > low
        if call.trouble:
            yield f"{said(call)}: {call.trouble}"
        elif call.status == 500:
            yield f"{said(call)}: a 500 of the service's own"
        elif call.leaves:
            continue
        elif call.status == 200 and call.ending == "nothing":
            yield f"{said(call)}: the stream ended without [DONE] and without an error"
        elif not during and (call.status, call.ending) != call.expected:
            yield f"{said(call)}: expected {call.expected}"
        elif call.status == 429 and call.retry_after != "7":
            yield f"{said(call)}: Retry-After is {call.retry_after!r}"


def said(call: Call):
    left = f", client left {call.leaves}" if call.leaves else ""
    return f"call {call.id} ({call.do}, {call.body['model']}{left}) → {call.status} {call.ending}"


def cancellations(soak, calls, within_s):
    """(seconds until the upstream saw each left call end, in words what it did not see)."""
    left = {c.id: c.ended for c in calls if c.leaves in ("before", "mid")}
    came, over = Counter(), {}
    for line in soak.notes.read_text().splitlines():
        note = json.loads(line)
        key = (note["id"], note["pid"])
        came[key] += (note["event"] == "came") - (note["event"] == "over")
        if note["event"] == "over":
            over[note["id"]] = max(note["at"], over.get(note["id"], 0.0))
    lags = [over[i] - at for i, at in left.items() if over.get(i, 0.0) > at]
    before_s = soak.outage[0] - within_s
    ends = {call.id: call.ended for call in calls}
    open_still = [
        number
        for (number, pid), count in came.items()
        if count and (pid == soak.upstream.pid or 0 < ends[number] < before_s)
    ]
    wrong = [f"call {number} is still open at the upstream" for number in open_still]
    late = sum(lag > within_s for lag in lags)
    return lags, wrong + [f"{late} calls were cancelled later than {within_s:g} s"] * (late > 0)


async def missing(url, promised):
    """The promised decisions that are not in the journal, after it had time to write."""
    for _ in range(20):
        async with await psycopg.AsyncConnection.connect(url) as conn:
            rows = await conn.execute(
                "SELECT id FROM unnest(%s::text[]) AS id EXCEPT SELECT id FROM decisions",
                [list(promised)],
            )
            found = [row[0] for row in await rows.fetchall()]
        if not found:
            break
        await asyncio.sleep(0.5)
    return found


def growth(soak):
    """(resident MB when warm, in the end and at most, as medians; in words, what has grown)."""
    # a long run fills the bounded memories, of which the conversations take longest
    first = CAPACITY if soak.requests >= 2 * CAPACITY else WARM
    sizes = {
        "warm": [size for done, size in soak.memory if first <= done < first * 1.5],
        "end": [size for done, size in soak.memory if done >= soak.requests * 0.95],
    }
    if soak.requests < JUDGED_FROM or not all(sizes.values()):
        return None, []
    warm, end = (statistics.median(found) / 2**20 for found in sizes.values())
    most = max(size for _, size in soak.memory) / 2**20
    found = {"warm": round(warm, 1), "end": round(end, 1), "most": round(most, 1)}
    return found, [f"memory grew: {found}"] * (end > warm * MOST_GROWTH)


def complaints(log):
    """Lines of the service's log that tell of a fault of its own."""
    lines = log.splitlines()
    return [f"log: {line}" for line in lines if any(word in line for word in BAD_WORDS)][:20]


def percentile(values, share):
    return round(sorted(values)[int(len(values) * share)], 4) if values else None
