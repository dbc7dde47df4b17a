"""Magic amounts: the last three digits of the rial amount choose how a payment goes.

One table for all parties; an empty cell means that the ending changes nothing there. Any other
ending just works. A refund looks at the refund's own amount first, then at the payment's.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Ending:
    """What one ending does, party by party."""

    digits: int
    zarinpal: str
    noticebank: str


ENDINGS: Final = (
    Ending(1, "request answers 502", "opening answers 502"),
    Ending(2, "request is silent for 7 s", "opening is silent for 7 s"),
    Ending(3, "request is refused (-11)", "opening is refused (shop_closed)"),
    Ending(4, "request answers 502", ""),
    Ending(101, "first verify takes effect and answers 502, then 101", "first notice is lost"),
    Ending(
        102,
        "first verify takes effect in silence (6 s), then 101",
        "notice only when reminded; the first time in silence (6 s)",
    ),
    Ending(103, "verify takes 2 s", "notice only when reminded, which takes 2 s"),
    Ending(104, "paid, and given back before verify", "paid, and given back before the notice"),
    Ending(105, "verify says another amount (-50)", "the notice says another amount"),
    Ending(106, "IN_BANK for 2 minutes after paying", "the notice is ready after 2 minutes"),
    Ending(107, "paid, but the browser never returns", "paid, but the browser never returns"),
    Ending(108, "the browser returns twice, codes are strings", "the browser returns twice"),
    Ending(201, "refund is refused", "refund is refused"),
    Ending(202, "refund takes effect and answers 502", "refund takes effect and answers 502"),
    Ending(203, "refund is pending for 5 minutes", "refund is pending for 5 minutes"),
    Ending(204, "refund takes effect in silence (9 s)", "refund takes effect in silence (9 s)"),
    Ending(301, "", "notice before the browser returns, and again 5 s after"),
    Ending(302, "", "no notice until it is reminded"),
    Ending(303, "", "a forged notice, then the right one"),
    Ending(304, "", "the notice comes three times"),
)

_KNOWN: Final = frozenset(ending.digits for ending in ENDINGS)

OPEN_SILENT_S: Final = 7.0
VERIFY_SILENT_S: Final = 6.0
VERIFY_SLOW_S: Final = 2.0
REFUND_SILENT_S: Final = 9.0
LATE_S: Final = 120
REFUND_PENDING_S: Final = 300


def of(rial: int) -> int:
    """The ending of a payment's amount; 0 for a plain one."""
    return rial % 1000 if rial % 1000 in _KNOWN else 0


def of_refund(refund_rial: int, payment_rial: int) -> int:
    """The ending that rules a refund."""
    return next((e for e in (of(refund_rial), of(payment_rial)) if e > 200 and e < 300), 0)
