"""What the domain's tests are made of: hypothesis strategies and a payment in a line."""

import datetime as dt
from typing import Any, Final

from hypothesis import strategies as st

from payvand import calendar
from payvand.fee import FeePlan
from payvand.ids import EPOCH, MERCHANT_BITS, MODES, RANDOM_BYTES, Book, PaymentId, merchant_id
from payvand.money import CURRENCIES
from payvand.payment import AttemptRecord, Payment, Status

BOOK: Final = Book(merchant_id(4_711), "test", "IRR")
DAY: Final = dt.date(2026, 5, 4)
AT: Final = dt.datetime(2026, 5, 4, 8, 30, tzinfo=dt.UTC)
AT_MS: Final = int(AT.timestamp() * 1000)

merchant_numbers = st.integers(0, (1 << MERCHANT_BITS) - 1)
books = st.builds(
    Book, merchant_numbers.map(merchant_id), st.sampled_from(MODES), st.sampled_from(CURRENCIES)
)
days = st.dates(EPOCH, dt.date(2064, 11, 8))
"""What fourteen bits reach."""
payment_ids = st.builds(
    PaymentId.mint,
    books,
    days,
    st.integers(0, (1 << 27) - 1),
    st.integers(0, 255),
    st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES),
)
moments = st.timedeltas(dt.timedelta(2), dt.timedelta(44 * 365)).map(
    lambda after: dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + after
)


def payment(*channels: str, **changes: Any) -> Payment:
    """An open payment of 250 000 rial with an attempt at each channel."""
    id = PaymentId.mint(BOOK, DAY, calendar.ms_into(AT, DAY, "IRR"), 0, b"\x00" * RANDOM_BYTES)
    fields: dict[str, Any] = {
        "id": id,
        "status": Status.REDIRECTED if channels else Status.CREATED,
        "amount_minor": 250_000,
        "reference": "order-1",
        "return_url": "https://shop.example/done",
        "expires_at_ms": AT_MS + 1_800_000,
        "fee_plan": FeePlan(),
        "attempts": tuple(AttemptRecord(c, f"t{n}", AT_MS) for n, c in enumerate(channels)),
        "rev": len(channels),
    }
    return Payment(**(fields | changes))
