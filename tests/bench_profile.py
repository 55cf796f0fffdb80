"""``tests/bench.py --profile``: where a worker's time goes, by whose code it is.

py-spy samples the running worker from outside, C code included, and leaves out waiting. It is taken
from the path, or fetched by uv for this run alone. A sample belongs to its innermost frame that is
in one of the groups; the interpreter's own frames and memory's count to whoever stands below them.
It stops the worker for each look, so compare shares, and take seconds from the bench itself.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

#: seconds of sampling, and looks a second
SECONDS, RATE = 15, 100
_CALLS = r"(read|readv|write|writev|recv|recvmsg|recvfrom|send|sendmsg|sendto|epoll_\w+|fsync)"
#: group → what a frame looks like, as ``function (file)``; the first that fits counts
GROUPS = {
    "system calls": rf"^{_CALLS} \(libc",
    "our serve/": r"\(serve/",
    "our core/": r"\(core/",
    # its hot functions are compiled anew at the start, with their names for a file
    "sanic": r"\((sanic|httptools|http1_|connection_task|handle_request|_run_\w+_middleware"
    r"|dispatch|send\)|read\)|(url|http)_parser\.c)",
    "aiohttp": r"\((aiohttp|httpx_aiohttp|yarl|multidict|propcache|frozenlist|_http_parser\.c"
    r"|_http_writer\.c|llhttp|api\.c|_multidict\.c|htkeys|hashtable|_helpers_c|_find_header|iter\.h"
    r"|<attrs)",
    "httpx": r"\(httpx/",
    "psycopg": r"\((psycopg|libpq)",
    "prometheus": r"\(prometheus_client",
    "orjson": r"\(orjson",
    "cachetools": r"\(cachetools",
    "uvloop, asyncio": r"\((uvloop|asyncio/|loop\.c|core\.c|stream\.c|linux\.c|heap-inl"
    r"|_asynciomodule)",
    "hashing": r"\((libcrypto|_hashopenssl|_sha|_blake|hmac|hashlib)",
    "context managers": r"\(contextlib\.py",
    "standard library": r"\((\w[\w/]*\.py|<frozen|<string|_datetimemodule)",
}
_IDLE = "_worker (concurrent/futures/thread.py"


def group_of(stack):
    """Of the innermost frame that is in one; system calls count only where they are innermost."""
    for depth, frame in enumerate(reversed(stack)):
        for name, pattern in GROUPS.items():
            if re.search(pattern, frame) and (depth == 0 or name != "system calls"):
                return name
    return "other"


def function_of(stack):
    """The innermost function written in Python, without its line."""
    python = [frame for frame in stack if re.search(r"\.py:\d+\)$", frame)]
    return re.sub(r":\d+\)$", ")", python[-1] if python else stack[-1])


def breakdown(collapsed):
    """Samples by group and by innermost Python function, of collapsed stacks."""
    groups, functions = Counter(), Counter()
    for line in collapsed.splitlines():
        text, _, count = line.rpartition(" ")
        stack = text.split(";")
        if any(frame.startswith(_IDLE) for frame in stack):
            continue
        groups[group_of(stack)] += int(count)
        functions[function_of(stack)] += int(count)
    return groups, functions


def sampled(pid):
    """Collapsed stacks of a process."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("py-spy", path=beside) or shutil.which("py-spy")
    program = [found] if found else [sys.executable, "-m", "uv", "tool", "run", "py-spy"]
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "stacks"
        command = [*program, "record", "--pid", str(pid), "--duration", str(SECONDS)]
        more = ["--rate", str(RATE), "--native", "--format", "raw", "--output", str(out)]
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        if not out.exists():
            sys.exit(f"py-spy failed: {done.stderr[-500:]}")
        return out.read_text()


def profile(pid, run_load, say):
    """Print the shares; ``run_load(seconds)`` keeps the worker busy meanwhile."""
    run_load(2)
    busy = threading.Thread(target=run_load, args=(SECONDS + 10,))
    busy.start()
    groups, functions = breakdown(sampled(pid))
    busy.join()
    for title, counted in (("whose code", groups), ("innermost Python function", functions)):
        say(f"\n{title}, of {counted.total()} samples")
        for name, count in counted.most_common(40):
            say(f"{count / counted.total():8.1%}  {name}")
