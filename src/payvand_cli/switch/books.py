"""What the lab's switch remembers: one JSON file, replaced whole at every change."""

import datetime as dt
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from payvand_cli.switch.judge import Acceptor

KEY_LIFE: Final = dt.timedelta(days=180)
WARNED_BEFORE: Final = dt.timedelta(days=7)


@dataclass
class Key:
    """A facilitator's public key and the day (in Tehran) the switch took it."""

    pem: str
    since: dt.date
    warned: bool = False

    @property
    def ends(self) -> dt.date:
        """The first day it is refused."""
        return self.since + KEY_LIFE


@dataclass
class Facilitator:
    """A facilitator: its short name, its special account, how it logs in, its keys."""

    alias: str
    iban: str
    salt: str
    password: str
    keys: list[Key]

    def knows(self, password: str) -> bool:
        """Whether this is the password."""
        return hmac.compare_digest(scrambled(password, self.salt), self.password)


@dataclass
class OrderFile:
    """An order file the switch took. `refused` says why nothing in it was looked at."""

    alias: str
    name: str
    sha256: str
    arrived_at: dt.datetime
    taken_at: dt.datetime
    refused: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    reply_at: dt.datetime | None = None
    replied: bool = False


@dataclass
class Credit:
    """Money on its way to, or on, a merchant's account."""

    id: str
    alias: str
    file: str
    record: int
    acceptor: str
    iban: str
    amount_minor: int
    due_at: dt.datetime
    state: Literal["ordered", "credited", "returned"] = "ordered"
    reason: str = ""


@dataclass
class Wage:
    """What the facilitator took for itself with a record."""

    alias: str
    file: str
    record: int
    amount_minor: int


@dataclass
class RecordFault:
    """The next good record of an acceptor is answered with this code, paid for or not."""

    acceptor: str
    code: int
    paid: bool


type How = Literal["withheld", "truncated", "forged", "contradictory"]


@dataclass
class ReplyFault:
    """The next answer to a facilitator never comes, comes in half, or bears a stranger's signature.

    `contradictory` is for the answer to a key: the code and the words of the guide's own sample.
    """

    alias: str
    how: How


@dataclass
class Books:
    """All of it. `worked_through`: the last morning whose files were taken."""

    worked_through: dt.datetime
    offset_s: int = 0
    facilitators: dict[str, Facilitator] = field(default_factory=dict)
    acceptors: dict[str, Acceptor] = field(default_factory=dict)
    files: list[OrderFile] = field(default_factory=list)
    credits: list[Credit] = field(default_factory=list)
    wages: list[Wage] = field(default_factory=list)
    record_faults: list[RecordFault] = field(default_factory=list)
    reply_faults: list[ReplyFault] = field(default_factory=list)


_BOOKS: Final = TypeAdapter(Books)


def load(file: Path, now: dt.datetime) -> Books:
    """The books as they were left, or new ones that begin now."""
    return _BOOKS.validate_json(file.read_bytes()) if file.exists() else Books(now)


def dump(books: Books) -> bytes:
    """What `load` reads."""
    return _BOOKS.dump_json(books, indent=1)


def public(books: Books) -> dict[str, Any]:
    """For the control door: everything but what logs in, and what each account got."""
    shown: dict[str, Any] = _BOOKS.dump_python(books, mode="json")
    for facilitator in shown["facilitators"].values():
        del facilitator["salt"], facilitator["password"]
    accounts: dict[str, int] = {}
    for credit in books.credits:
        if credit.state == "credited":
            accounts[credit.iban] = accounts.get(credit.iban, 0) + credit.amount_minor
    return shown | {"accounts": accounts}


def scrambled(password: str, salt: str) -> str:
    """A password as the books keep it."""
    made = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1)
    return made.hex()


def new_salt() -> str:
    """Sixteen random bytes."""
    return secrets.token_hex(16)
