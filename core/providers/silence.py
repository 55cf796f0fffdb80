"""Gives up a call on which nothing has come for too long.

One timer a call, which looks at the time of the last piece when it fires: a piece costs two
assignments, where a timer of its own costs more than reading it.
"""

import asyncio


class Silence:
    """Counts the seconds in which a task waits for a provider; whatever else it does in between,
    such as sending a piece to a slow client, does not count."""

    __slots__ = ("_loop", "_seconds", "_since", "_task", "_timer", "expired")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._since = 0.0
        self._task: asyncio.Task[object] | None = None
        self._timer = self._loop.call_later(seconds, self._look)
        #: whether the task was cancelled by us, for silence
        self.expired = False

    def begins(self) -> None:
        """The current task waits from now on."""
        self._since = self._loop.time()
        self._task = asyncio.current_task()

    def ends(self) -> None:
        """Something has come."""
        self._task = None

    def close(self) -> None:
        self._timer.cancel()
        self._task = None

    def _look(self) -> None:
        left = self._seconds
        if self._task is not None:
            left += self._since - self._loop.time()
            if left <= 0:
                self.expired = True
                self._task.cancel()
                return
        self._timer = self._loop.call_later(left, self._look)

    def caused(self) -> bool:
        """Whether the cancellation that just reached the task was ours alone; it is then undone."""
        task = asyncio.current_task()
        return self.expired and task is not None and task.uncancel() == 0
