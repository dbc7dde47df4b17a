"""Ids that say where a thing lives, so that nothing needs an index.

A payment's id decodes to its partition and key (seals R14): `pay_` + 26 Crockford base32
characters,
130 bits, high to low: version 2 · mode 1 · day label 14 · milliseconds since the day's window
opened 27 · book 30 · shard 8 · random 48. Day and milliseconds come first, so ids sort by time.

The 30 bits of the book are merchant number 26 · currency 4: test and live, and each currency, are
books of their own (architecture decision 7). A payout's id encodes its seal's key in the same way,
so a payout's bank reference *is* the seal it pays.
"""

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from payvand.money import CURRENCIES

Mode = Literal["test", "live"]
MODES: Final[tuple[Mode, Mode]] = ("test", "live")

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_PYTHON: Final = str.maketrans(ALPHABET, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
"""Crockford's letters to those of `int(text, 32)`."""
VERSION: Final = 1
EPOCH: Final = dt.date(2020, 1, 1)
"""Day label 0. Fourteen bits reach 2064."""
MERCHANT_BITS: Final = 26
RANDOM_BYTES: Final = 6

_PAYMENT: Final = re.compile(r"pay_[0-9A-HJKMNP-TV-Z]{26}")
_PAYOUT: Final = re.compile(r"po_[0-9A-HJKMNP-TV-Z]{12}")
_MERCHANT: Final = re.compile(r"mer_[0-9A-HJKMNP-TV-Z]{6}")


def _encode(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        letters.append(ALPHABET[digit])
    assert number == 0, "the number needs more letters"
    return "".join(reversed(letters))


def _decode(text: str) -> int:
    return int(text.translate(_AS_PYTHON), 32)


def merchant_id(number: int) -> str:
    """`mer_` + 6 letters for a merchant number of 26 bits."""
    assert 0 <= number < 1 << MERCHANT_BITS
    return "mer_" + _encode(number, 6)


def merchant_number(text: str) -> int:
    """The number inside a merchant id. Raises ValueError for anything else."""
    if not _MERCHANT.fullmatch(text):
        raise ValueError("not a merchant id")
    number = _decode(text[4:])
    if number >= 1 << MERCHANT_BITS:
        raise ValueError("not a merchant id")
    return number


@dataclass(frozen=True, slots=True, order=True)
class Book:
    """One set of accounts: a merchant's money of one currency in one mode."""

    merchant_id: str
    mode: Mode
    currency: str

    @property
    def key(self) -> str:
        """How tables, files and people name it."""
        return f"{self.merchant_id}.{self.mode}.{self.currency}"

    @property
    def number(self) -> int:
        """The 30 bits that ids carry (the mode travels beside them)."""
        return merchant_number(self.merchant_id) << 4 | CURRENCIES.index(self.currency)

    @classmethod
    def parse(cls, key: str) -> "Book":
        """The inverse of `key`. Raises ValueError."""
        merchant, mode, currency = key.split(".")
        merchant_number(merchant)
        if mode not in MODES or currency not in CURRENCIES:
            raise ValueError("not a book")
        return cls(merchant, mode, currency)


def _book(number: int, mode: Mode) -> Book:
    if number & 15 >= len(CURRENCIES):
        raise ValueError("unknown currency in id")
    return Book(merchant_id(number >> 4), mode, CURRENCIES[number & 15])


def partition(book: Book, day: dt.date, shard: int) -> str:
    """The partition of the payments table that holds one shard of one merchant-day."""
    return f"{book.key}#{day.isoformat()}#{shard}"


@dataclass(frozen=True, slots=True)
class PaymentId:
    """Everything a payment's id says."""

    text: str
    book: Book
    day: dt.date
    ms: int
    shard: int

    @property
    def partition(self) -> str:
        """Where the item lives."""
        return partition(self.book, self.day, self.shard)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def mint(cls, book: Book, day: dt.date, ms: int, shard: int, entropy: bytes) -> "PaymentId":
        """A new id. `ms` counts from the opening of the day's window; `entropy` is 6 bytes."""
        assert len(entropy) == RANDOM_BYTES
        label = (day - EPOCH).days
        assert 0 <= label < 1 << 14 and 0 <= ms < 1 << 27 and 0 <= shard < 1 << 8
        number = VERSION
        for value, bits in (
            (MODES.index(book.mode), 1),
            (label, 14),
            (ms, 27),
            (book.number, 30),
            (shard, 8),
        ):
            number = number << bits | value
        number = number << 48 | int.from_bytes(entropy)
        return cls("pay_" + _encode(number, 26), book, day, ms, shard)

    @classmethod
    def parse(cls, text: str) -> "PaymentId":
        """Decode an id. Raises ValueError for all that is not one of ours, letter for letter."""
        return _payment_id(text)


@lru_cache(maxsize=256)
def _payment_id(text: str) -> PaymentId:
    """An id is read several times in a call."""
    if not _PAYMENT.fullmatch(text):
        raise ValueError("not a payment id")
    number = _decode(text[4:])
    number >>= 48
    shard, number = number & 0xFF, number >> 8
    book_number, number = number & (1 << 30) - 1, number >> 30
    ms, number = number & (1 << 27) - 1, number >> 27
    label, number = number & (1 << 14) - 1, number >> 14
    mode, version = MODES[number & 1], number >> 1
    if version != VERSION:
        raise ValueError("an id of another version")
    return PaymentId(text, _book(book_number, mode), EPOCH + dt.timedelta(label), ms, shard)


@dataclass(frozen=True, slots=True)
class PayoutId:
    """A payout's id: 60 bits, version 2 · mode 1 · book 30 · chain position 27."""

    text: str
    book: Book
    n: int

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, book: Book, n: int) -> "PayoutId":
        """The id of the payout that seal `n` of a book orders."""
        assert 0 < n < 1 << 27
        number = ((VERSION << 1 | MODES.index(book.mode)) << 30 | book.number) << 27 | n
        return cls("po_" + _encode(number, 12), book, n)

    @classmethod
    def parse(cls, text: str) -> "PayoutId":
        """Decode an id. Raises ValueError."""
        if not _PAYOUT.fullmatch(text):
            raise ValueError("not a payout id")
        number = _decode(text[3:])
        n, number = number & (1 << 27) - 1, number >> 27
        book_number, number = number & (1 << 30) - 1, number >> 30
        if number >> 1 != VERSION or n == 0:
            raise ValueError("an id of another version")
        return cls(text, _book(book_number, MODES[number & 1]), n)


def derived(prefix: str, *parts: str) -> str:
    """An id that follows from what it stands for, so that a replay names the same thing."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return prefix + _encode(int.from_bytes(digest[:10]), 16)


def event_id(at_ms: int, *parts: str) -> str:
    """An event's id: follows from what happened and when, and sorts by time."""
    return derived("evt_" + _encode(at_ms, 10), *parts)
