"""What time it is for a book.

Live books follow the host's clock. Test books follow the lab's, which a developer may move forward
to close a day at will; it is read strongly every time, never kept, because a writer with an old
clock would be a writer in a closed day (seals R5).
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass

from payvand.calendar import SKEW_MAX_S, label
from payvand.errors import Skewed
from payvand.ids import Mode
from payvand.store.table import Table


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of a book's clock."""

    ms: int
    mode: Mode

    @property
    def when(self) -> dt.datetime:
        """As a UTC time."""
        return dt.datetime.fromtimestamp(self.ms / 1000, dt.UTC)

    def label(self, currency: str) -> dt.date:
        """The settlement day this moment belongs to."""
        return label(self.when, currency)


class Clock:
    """The one clock door."""

    def __init__(self, lab: Table, wall: Callable[[], float] = time.time) -> None:
        self._lab = lab
        self._wall = wall

    def wall_ms(self) -> int:
        """The host's own time."""
        return int(self._wall() * 1000)

    def now(self, mode: Mode) -> Moment:
        """The time of a book in this mode."""
        if mode == "live":
            return Moment(self.wall_ms(), mode)
        item = self._lab.get({"pk": "clock", "sk": "clock"}).item
        offset_s = 0 if item is None else item["offset_s"]
        return Moment(self.wall_ms() + offset_s * 1000, mode)

    def check(self, mode: Mode, server_ms: int | None) -> None:
        """Compare with the database's clock, as the strong read just made saw it. Raises Skewed.

        Not for test books: their clock is meant to differ, and they read the head after the
        payment instead.
        """
        if (
            mode == "live"
            and server_ms is not None
            and abs(self.wall_ms() - server_ms) > SKEW_MAX_S * 1000 + 1000
        ):
            raise Skewed(f"clock differs by {(self.wall_ms() - server_ms) / 1000:.0f} s")
