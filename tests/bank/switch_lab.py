"""A lab's switch with a facilitator and four acceptors, and what its tests are made of."""

import atexit
import contextlib
import datetime as dt
import functools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from payvand.bank import FileHead, Order, Transfer, ftps, switch
from payvand_cli.switch import Running, running, trust

ALIAS: Final = "PYV"
PASSWORD: Final = "a long password"
IIN: Final = 581672000
TEHRAN: Final = dt.timezone(dt.timedelta(hours=3, minutes=30))  # no summer time since 2022
TUESDAY: Final = dt.date(2026, 5, 5)
BALANCE: Final = 10_000_000
IN, OUT = "IN", "OUT"
IN_KEYS, OUT_KEYS = "IN/KEY_EXCHANGE", "OUT/KEY_EXCHANGE"


def iban(n: int) -> str:
    """The n-th Iranian account with right check digits."""
    bban = f"017{n:019}"
    return f"IR{98 - int(bban + '182700') % 97:02}{bban}"


def acceptor(n: int) -> str:
    """The n-th acceptor code."""
    return f"{n:015}"


OURS: Final = iban(1)


@functools.cache
def key(n: int) -> rsa.RSAPrivateKey:
    """One of a few keys; making one takes a while."""
    del n
    return rsa.generate_private_key(65537, 2048)


@functools.cache
def signer(n: int = 0) -> switch.PemSigner:
    """The facilitator's n-th key."""
    return switch.PemSigner(trust.private_pem(key(n)))


SWITCH_KEY: Final = 9


def order(n: int, amount: int, wage: int = 0, **changes: Any) -> Order:
    """A payout to acceptor n's own account."""
    parts = (Transfer(f"tr_{n}", amount, iban(100 + n), "فروشگاه نمونه"),)
    fields: dict[str, Any] = {
        "payout": f"po_{n}",
        "transfers": parts,
        "wage_minor": wage,
        "acceptor": acceptor(n),
        "iin": str(IIN),
    }
    return Order(**{**fields, **changes})


def split(n: int, *amounts: int, wage: int = 0, **changes: Any) -> Order:
    """A payout of acceptor n to several accounts: its own, then others registered for it."""
    parts = tuple(
        Transfer(f"tr_{n}_{i}", amount, iban(100 * (i + 1) + n), "")
        for i, amount in enumerate(amounts)
    )
    return order(n, 0, wage, transfers=parts, **changes)


def head(day: dt.date = TUESDAY, cycle: int = 1, **changes: Any) -> FileHead:
    """The head of a file."""
    fields: dict[str, Any] = {
        "currency": "IRR",
        "date": day,
        "cycle": cycle,
        "created_at": dt.datetime(2026, 5, 5, tzinfo=dt.UTC),
        "debtor_iban": OURS,
        "debtor_name": "پیوند",
    }
    return FileHead(**{**fields, **changes})


@dataclass
class Clock:
    """A clock that is set."""

    at: dt.datetime

    def __call__(self) -> dt.datetime:
        return self.at

    def set(self, day: dt.date, time: str) -> None:
        """A time of day in Tehran."""
        self.at = dt.datetime.combine(day, dt.time.fromisoformat(time), TEHRAN)


@dataclass
class Lab:
    """A running switch and us before it."""

    running: Running
    clock: Clock
    folder: Path
    sent: dict[str, tuple[bytes, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def server(self) -> ftps.Server:
        """As the facilitator has it configured."""
        port, ca = self.running.ftps_port, self.running.ca_pem
        return ftps.Server("127.0.0.1", port, ALIAS, PASSWORD, ca)

    def at(self, day: dt.date, time: str) -> None:
        """Let the switch do what is due by then."""
        self.clock.set(day, time)
        self.running.switch.process()

    def send(self, *orders: Order, signed_by: int = 0, **head_changes: Any) -> str:
        """Our writer, our signature, our FTPS."""
        file = head(**head_changes)
        name = switch.order_name(ALIAS, file.date, file.cycle)
        content = switch.write(file, orders)
        self.put(name, content, signed_by)
        self.sent[name] = (content, tuple(order.payout for order in orders))
        return name

    def put(self, name: str, content: bytes, signed_by: int = 0) -> None:
        """Send any bytes as an order file."""
        files = switch.files(name, content, signer(signed_by))
        assert ftps.deliver(self.server, IN, files) == ftps.Delivery.SENT

    def replied(self, name: str) -> bool:
        """Whether there is an answer to a file."""
        with ftps.Session(self.server) as session:
            return switch.reply_name(name) in session.names(OUT)

    def reply(self, name: str) -> tuple[bytes, bytes]:
        """The answer to a file and its signature, by FTPS."""
        with ftps.Session(self.server) as session:
            reply = switch.reply_name(name)
            return session.read(OUT, reply), session.read(OUT, reply + switch.SIGNATURE)

    def outcomes(self, name: str) -> dict[str, tuple[str, str]]:
        """Verdict and code of each payout of a file sent by `send`, by our reader."""
        found = switch.read_reply(
            *self.sent[name], *self.reply(name), self.running.switch.public_pem
        )
        assert [o.reference for o in found] == list(self.sent[name][1])
        return {o.reference: (o.verdict.value, o.code) for o in found}

    def accounts(self) -> dict[str, int]:
        """What each account was credited in all."""
        found: dict[str, int] = self.running.switch.state()["accounts"]
        return found

    def balance(self, n: int) -> int:
        """What acceptor n has at the switch."""
        found: int = self.running.switch.state()["acceptors"][acceptor(n)]["balance_minor"]
        return found


@functools.cache
def _certificates() -> Path:
    """Certificates and the switch's key, made once for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="payvand-switch-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    trust.certificates(folder, dt.datetime.now(dt.UTC))
    trust.write_secret(folder / "switch-key.pem", trust.private_pem(key(SWITCH_KEY)))
    return folder


@contextlib.contextmanager
def started(folder: Path, clock: Clock, **how: Any) -> Iterator[Lab]:
    """A switch over a folder, new or old."""
    folder.mkdir(exist_ok=True)
    for file in _certificates().iterdir():
        shutil.copy(file, folder)
    with running(folder, now=clock, **how) as lab:
        yield Lab(lab, clock, folder)


def furnish(lab: Lab, acceptors: int = 4) -> None:
    """Our facilitator, its key of today, and acceptors with accounts and a balance."""
    party = lab.running.switch
    party.enrol(ALIAS, OURS, PASSWORD, signer().public_pem())
    for n in range(1, acceptors + 1):
        ibans = {iban(100 * i + n): True for i in range(1, 11)}
        party.register(acceptor(n), ALIAS, IIN, ibans)
        party.take_in(acceptor(n), BALANCE)


@contextlib.contextmanager
def furnished(folder: Path, day: dt.date = TUESDAY, time: str = "07:00") -> Iterator[Lab]:
    """A new switch, furnished, at a time of a day."""
    clock = Clock(dt.datetime.combine(day, dt.time.fromisoformat(time), TEHRAN))
    with started(folder, clock) as lab:
        furnish(lab)
        yield lab
