"""An end without a break: after SIGTERM open answers finish, and new requests go elsewhere."""

import asyncio
import contextlib
import logging
import signal

from sanic import Sanic

from core.errors import TouchstoneError

logger = logging.getLogger(__name__)

#: seconds after which whoever was sent away may try again, here or at another instance
RETRY_AFTER_S = 5.0


class Draining(TouchstoneError):
    """The service is on its way out and takes nothing new."""

    status = 503
    code = "draining"
    retry_after_s = RETRY_AFTER_S


class Drain:
    """Counts what is being answered, and waits for it once the end is ordered."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.draining = False
        #: requests now being answered
        self.open = 0
        self._idle = asyncio.Event()
        self._waiting: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """A request is being answered."""
        self.open += 1

    def end(self) -> None:
        """It has been."""
        self.open -= 1
        if not self.open:
            self._idle.set()

    def order(self, app: Sanic) -> None:
        """Take nothing new, and stop when all is answered; ordered again, stop at once."""
        if self.draining:
            app.stop(terminate=False)
            return
        self.draining = True
        logger.info("draining: %d requests are being answered", self.open)
        self._waiting = asyncio.get_running_loop().create_task(self._stop(app))

    async def _stop(self, app: Sanic) -> None:
        self._idle.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                while self.open:
                    await self._idle.wait()
                    self._idle.clear()
        if self.open:
            logger.warning("%d answers are broken off: DRAIN_TIMEOUT is over", self.open)
        app.stop(terminate=False)


def drain_on_signals(app: Sanic) -> None:
    """Have SIGTERM and SIGINT order the drain, in place of Sanic's own handlers."""

    @app.after_server_start
    async def listen(app: Sanic) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.ctx.service.drain.order, app)
