"""Time: waiting for something, and measuring how long it took."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float, what: str = "", pause: float = 0.05) -> T:
    """Asks until the answer is true, and returns it; fails after that many seconds."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"not within {seconds} s: {what or condition.__doc__ or condition}"
        time.sleep(pause)
    return found


class timed:
    """`with timed() as t: ...`, and then `t.seconds`."""

    def __enter__(self):
        self.start = time.monotonic()
        self.seconds = 0.0
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start
