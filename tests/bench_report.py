"""What ``tests/bench.py`` makes of its measurements: medians, differences, targets, a table."""

import statistics
import sys
from dataclasses import asdict, dataclass


@dataclass
class Line:
    """One server under one kind of load; CPU seconds are for 1000 requests."""

    name: str
    kind: str
    rate: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    first_byte_ms: float
    #: answers are read in so many pieces: 20 when none of a stream were joined on the way
    pieces: float
    failures: int
    complaint: str
    #: cores that were taken: by the bare upstream, by the load itself, and by strangers
    upstream_cores: float
    load_cores: float
    strangers_cores: float


def median(rounds):
    """One line of several rounds: the median of each number, and all failures."""
    first, *_ = rounds
    middle = {
        name: statistics.median(getattr(line, name) for line in rounds)
        for name, value in asdict(first).items()
        if isinstance(value, float)
    }
    failures = sum(line.failures for line in rounds)
    complaint = next((line.complaint for line in rounds if line.complaint), "")
    return Line(**{**asdict(first), **middle, "failures": failures, "complaint": complaint})


def conclude(lines):
    """The figures that the targets are about."""
    by = {(line.name, line.kind): line for line in lines}
    bare, proxy = by["upstream", "cached"], by["minimal proxy", "cached"]
    cached, missed = by["1 worker", "cached"], by["1 worker", "missed"]
    streamed, direct = by["1 worker", "streamed"], by["upstream", "streamed"]
    proxied = by["minimal proxy", "streamed"]
    return {
        "cached_cpu_s": cached.cpu_s,
        "cached_rate": cached.rate,
        "missed_cpu_s": missed.cpu_s,
        "streamed_cpu_s": streamed.cpu_s,
        "stream_overhead_cpu_s": streamed.cpu_s - cached.cpu_s,
        "burst_overhead_cpu_s": by["1 worker", "burst"].cpu_s - cached.cpu_s,
        "first_byte_added_ms": streamed.first_byte_ms - direct.first_byte_ms,
        "minimal_proxy_first_byte_added_ms": proxied.first_byte_ms - direct.first_byte_ms,
        "cached_cpu_over_minimal_proxy": cached.cpu_s / proxy.cpu_s,
        "streamed_cpu_over_minimal_proxy": streamed.cpu_s / proxied.cpu_s,
        "two_workers_rate_over_one": by["2 workers", "cached"].rate / cached.rate,
        "upstream_rate_over_service": bare.rate / cached.rate,
        "upstream_busy_cores": max(line.upstream_cores for line in lines if "worker" in line.name),
        "strangers_cores": statistics.median(line.strangers_cores for line in lines),
    }


#: figure, what it says, the bound, and whether it is the least (else the most)
TARGETS = (
    ("cached_cpu_s", "cached, CPU s for 1000 requests", 0.40, False),
    ("cached_rate", "cached, requests/s of one worker", 2500, True),
    ("stream_overhead_cpu_s", "streamed less cached, CPU s for 1000 streams", 0.7, False),
    ("first_byte_added_ms", "first byte added, ms", 2.0, False),
)


def show(lines, figures, options):
    say(
        f"\n{options.connections} connections, median of {options.rounds} rounds of"
        f" {options.seconds:g} s\n\n"
        f"{'':26}{'requests/s':>11}{'CPU s/1000':>12}{'p50 ms':>9}{'p99 ms':>9}{'1st byte':>10}"
        f"{'pieces':>8}{'failed':>8}{'strangers':>11}"
    )
    for line in lines:
        kind = "whole" if line.kind == "cached" and "worker" not in line.name else line.kind
        say(
            f"{line.name + ', ' + kind:26}{line.rate:11.0f}{line.cpu_s:12.3f}{line.p50_ms:9.2f}"
            f"{line.p99_ms:9.2f}{line.first_byte_ms:10.2f}{line.pieces:8.1f}{line.failures:8}"
            f"{line.strangers_cores:11.2f}"
        )
    say("\nstrangers: cores that processes of others took meanwhile; near 0 on an idle machine\n")
    for name, value in figures.items():
        say(f"{name:36}{value:10.3f}")
    say("")
    for name, says, bound, least in TARGETS:
        met = figures[name] >= bound if least else figures[name] <= bound
        sign = "at least" if least else "at most"
        say(f"{'met   ' if met else 'MISSED'}  {says}: {figures[name]:.2f}, {sign} {bound:g}")
    if complaint := next((line.complaint for line in lines if line.complaint), ""):
        sys.exit(f"\nrequests failed, so the figures say nothing; one was answered\n{complaint}")


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
