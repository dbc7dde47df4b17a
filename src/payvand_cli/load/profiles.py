"""How much comes when: the profiles, and the clock that lets the payers go."""

import itertools
import threading
import time
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Profile:
    """A kind of rush: how many pay at once, how many start in a second, and for whom.

    `group` payers start together; `hot` is the share of all of them that one merchant gets.
    """

    name: str
    actors: int
    rate: float
    group: int = 1
    hot: float = 0.0


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile("steady", actors=8, rate=2.0),
        Profile("burst", actors=12, rate=1.5, group=12),
        Profile("hot", actors=8, rate=2.0, hot=0.9),
    )
}
EACH_IN_TURN: Final = "all"


def chosen(name: str, turn: int) -> Profile:
    """The profile of one lab day: always the same one, or each in turn."""
    if name == EACH_IN_TURN:
        return list(PROFILES.values())[turn % len(PROFILES)]
    return PROFILES[name]


class Pace:
    """Lets payers go one after another, or in groups, until time or count is up."""

    def __init__(self, profile: Profile, seconds: float, budget: "Budget") -> None:
        self._profile, self._budget = profile, budget
        self._began = time.monotonic()
        self._ends = self._began + seconds
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def next(self) -> bool:
        """Wait for the next start; False when there is none any more."""
        with self._lock:
            number = next(self._numbers)
        group = number // self._profile.group
        starts = self._began + group * self._profile.group / self._profile.rate
        if starts >= self._ends or time.monotonic() >= self._ends:
            return False
        time.sleep(max(0.0, starts - time.monotonic()))
        return self._budget.take()


class Budget:
    """So many payments and no more."""

    def __init__(self, payments: int) -> None:
        self.left = payments
        self._lock = threading.Lock()

    def take(self) -> bool:
        """One payment of it; False when it is spent."""
        with self._lock:
            self.left -= 1
            return self.left >= 0
