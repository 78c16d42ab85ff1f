"""How much one person, and all together, may ask for; what is more is refused in a sentence."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from threading import Lock

MINUTE = 60.0  # seconds
STRANGERS = 30  # wrong tokens a minute that one address may try
ADDRESSES = 10_000  # whose wrong tokens are remembered
SOON, LATER = 5, 30  # seconds after which one of few, or of many, messages may have ended

Clock = Callable[[], float]


class Refused(Exception):
    """Too much is asked for; the message is one sentence for the person.

    Attributes:
        status: Of HTTP: 429 if the person asks for too much, 503 if all together do.
        wait: Whole seconds until it may work.
    """

    def __init__(self, sentence: str, *, status: int = 429, wait: float) -> None:
        """Keep all three."""
        super().__init__(sentence)
        self.status, self.wait = status, max(1, ceil(wait))


def _limit(default: int, help: str) -> int:
    made: int = field(default=default, metadata={"help": help})
    return made


@dataclass(frozen=True)
class Limits:
    """The limits of a server, each a flag of `palimpsest serve`."""

    requests: int = _limit(600, "requests a minute of one person")
    edits: int = _limit(30, "messages and further edits a minute of one person")
    waiting: int = _limit(4, "messages of one person that are worked on or wait")
    waiting_in_all: int = _limit(50, "messages of all that are worked on or wait")
    upload_mb: int = _limit(200, "megabytes of the largest upload")
    upload_seconds: int = _limit(300, "seconds that an upload may take")


class TokenBucket:
    """A rate: so many a minute, and as many at once.

    The algorithm is the token bucket (Turner 1986): tokens flow in at the rate, up to a minute's
    worth, and whatever is done takes one.
    """

    def __init__(self, a_minute: int, clock: Clock = time.monotonic) -> None:
        """Begin full."""
        self._rate, self._most, self._clock = a_minute / MINUTE, float(a_minute), clock
        self._held, self._filled = self._most, clock()

    def take(self) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        self._fill()
        if self._held < 1:
            return (1 - self._held) / self._rate
        self._held -= 1
        return 0.0

    def owe(self) -> None:
        """Take a token for what cannot be refused any more, even if there is none."""
        self._fill()
        self._held -= 1

    def _fill(self) -> None:
        now = self._clock()
        self._held = min(self._most, self._held + (now - self._filled) * self._rate)
        self._filled = now


class Admission:
    """Lets people in as far as the limits allow. It is for one process, which may have threads."""

    def __init__(self, limits: Limits, clock: Clock = time.monotonic) -> None:
        """Begin with nobody at work."""
        self.limits, self._clock = limits, clock
        self._requests: dict[str, TokenBucket] = {}
        self._edits: dict[str, TokenBucket] = {}
        self._strangers: OrderedDict[str, TokenBucket] = OrderedDict()
        self._working: Counter[str] = Counter()
        self._lock = Lock()

    def request(self, person: str) -> None:
        """Count a request.

        Raises:
            Refused: There were too many within a minute.
        """
        with self._lock:
            wait = self._bucket(self._requests, person, self.limits.requests).take()
        if wait:
            raise Refused(_rate("requests", self.limits.requests, wait), wait=wait)

    def stranger(self, address: str) -> None:
        """Count a wrong token from an address.

        Raises:
            Refused: There were too many within a minute.
        """
        with self._lock:
            wait = self._bucket(self._strangers, address, STRANGERS).take()
            self._strangers.move_to_end(address)
            if len(self._strangers) > ADDRESSES:
                self._strangers.popitem(last=False)
        if wait:
            raise Refused(_rate("wrong tokens", STRANGERS, wait), wait=wait)

    def begin(self, person: str) -> None:
        """Count a message as worked on until `end`, and as one edit.

        Raises:
            Refused: Too many are worked on, or were within a minute.
        """
        limits = self.limits
        with self._lock:
            if self._working[person] >= limits.waiting:
                raise Refused(
                    f"You have {limits.waiting} messages at work already; wait until one is done, "
                    "or stop it.",
                    wait=SOON,
                )
            if self._working.total() >= limits.waiting_in_all:
                raise Refused(
                    f"{limits.waiting_in_all} messages are worked on already; try again in half a "
                    "minute.",
                    status=503,
                    wait=LATER,
                )
            if wait := self._bucket(self._edits, person, limits.edits).take():
                raise Refused(_rate("edits", limits.edits, wait), wait=wait)
            self._working[person] += 1

    def end(self, person: str) -> None:
        """Count a message as done."""
        with self._lock:
            self._working[person] -= 1

    def further_edit(self, person: str) -> None:
        """Count an edit beside the first of a message: the next messages wait for it."""
        with self._lock:
            self._bucket(self._edits, person, self.limits.edits).owe()

    def _bucket(self, buckets: dict[str, TokenBucket], key: str, a_minute: int) -> TokenBucket:
        if key not in buckets:
            buckets[key] = TokenBucket(a_minute, self._clock)
        return buckets[key]


def _rate(what: str, most: int, wait: float) -> str:
    seconds = max(1, ceil(wait))
    return f"At most {most} {what} a minute; try again in {seconds} second{'s' * (seconds > 1)}."
