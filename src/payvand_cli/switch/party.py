"""The switch as a party: it takes order files on working mornings, answers, pays, changes keys.

Times are Tehran's (guide p. 10): files until 08:30, answers from 09:30, credits from 14:00. A file
that is late, or comes on a holiday, is taken on the next working morning. Where the guide is
silent, this party does what is hardest on a facilitator and still sensible; what that is stands in
docs/parties/switch.md.
"""

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from persiantools.jdatetime import JalaliDate

from payvand import calendar
from payvand_cli.switch import books as kept
from payvand_cli.switch import trust
from payvand_cli.switch.books import (
    WARNED_BEFORE,
    Books,
    Credit,
    Facilitator,
    Key,
    OrderFile,
    RecordFault,
    ReplyFault,
    Wage,
)
from payvand_cli.switch.judge import NAMES, Acceptor, Error, Judge, Payment

TEHRAN: Final = ZoneInfo("Asia/Tehran")
FRIDAY: Final = 4
ALIAS: Final = re.compile(r"[A-Za-z]{3,5}", re.ASCII)
_ORDER: Final = re.compile(r"([A-Za-z]{3,5})_([0-9]{8})_([0-9]{2})\.json", re.ASCII)
_NEW_KEY: Final = re.compile(r"([A-Za-z]{3,5})_([0-9]{8})\.pem", re.ASCII)
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True)
class Hours:
    """Times of a working day, page 10."""

    files_until: dt.time = dt.time(8, 30)
    replies_from: dt.time = dt.time(9, 30)
    credits_from: dt.time = dt.time(14, 0)


class Unknown(LookupError):
    """The control door was asked for a facilitator, acceptor or credit that is not there."""


def is_open(day: dt.date) -> bool:
    """Working days of the product's calendar; where it knows no holidays yet, all but Fridays."""
    try:
        return calendar.is_business_day(day, "IRR")
    except LookupError:
        return day.weekday() != FRIDAY


class Switch:
    """The switch with all it keeps under one folder. Every method may be called from any thread.

    `homes/<ALIAS>/{IN,OUT}` and `KEY_EXCHANGE` in both are what facilitators see by FTPS; what it
    took lies in `taken/<ALIAS>`, what it knows in `books.json`.
    """

    def __init__(
        self,
        folder: Path,
        real_now: Callable[[], dt.datetime],
        *,
        hours: Hours | None = None,
        open_on: Callable[[dt.date], bool] = is_open,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._real_now = real_now
        self._hours = hours or Hours()
        self._open_on = open_on
        self._lock = threading.RLock()
        self._file = folder / "books.json"
        self._key = trust.signing_key(folder / "switch-key.pem")
        self._books = kept.load(self._file, real_now())
        self._saved = b""
        for alias in self._books.facilitators:
            self._make_home(alias)

    # ---- what the control door does -----------------------------------------------------------

    @property
    def public_pem(self) -> bytes:
        """The key that answers are signed with."""
        return trust.public_pem(self._key)

    def now(self) -> dt.datetime:
        """The switch's time."""
        return self._real_now() + dt.timedelta(seconds=self._books.offset_s)

    def advance(self, seconds: int) -> None:
        """Move its clock forward. Raises ValueError for backwards."""
        if not 0 <= seconds <= 20 * 366 * 86_400:
            raise ValueError("the clock goes forward only")
        with self._changing() as books:
            books.offset_s += seconds

    def state(self) -> dict[str, Any]:
        """All it knows but passwords; `accounts` sums what each account was credited."""
        with self._lock:
            return kept.public(self._books) | {"now": self.now().isoformat()}

    def enrol(self, alias: str, iban: str, password: str, public_pem: bytes) -> None:
        """Make or replace a facilitator; its key counts from today."""
        if not ALIAS.fullmatch(alias):
            raise ValueError("the alias is three to five letters")
        salt = kept.new_salt()
        with self._changing() as books:
            books.facilitators[alias] = Facilitator(
                alias, iban, salt, kept.scrambled(password, salt), [_key(public_pem, self.now())]
            )
            self._make_home(alias)

    def take_key(self, alias: str, public_pem: bytes) -> None:
        """A public key by letter: the way in when the old one has ended or leaked (p. 42)."""
        with self._changing() as books:
            _known(books.facilitators, alias).keys.append(_key(public_pem, self.now()))

    def register(self, code: str, alias: str, iin: int, ibans: dict[str, bool]) -> None:
        """Make an acceptor or change it; its balance stays."""
        with self._changing() as books:
            _known(books.facilitators, alias)
            old = books.acceptors.get(code)
            balance = old.balance_minor if old else 0
            books.acceptors[code] = Acceptor(code, alias, iin, dict(ibans), balance)

    def take_in(self, code: str, amount_minor: int) -> None:
        """Card payments of an acceptor: its balance grows (or shrinks, by a reversal)."""
        with self._changing() as books:
            _known(books.acceptors, code).balance_minor += amount_minor

    def plant(self, fault: RecordFault | ReplyFault) -> None:
        """Make the next fitting record or answer go wrong."""
        with self._changing() as books:
            if isinstance(fault, RecordFault):
                if not 0 <= fault.code < len(NAMES):
                    raise ValueError("no such code")
                books.record_faults.append(fault)
            else:
                books.reply_faults.append(fault)

    def give_back(self, credit_id: str, reason: str) -> None:
        """A merchant's bank returns a credit: the amount is the acceptor's balance again."""
        with self._changing() as books:
            credit = _known({credit.id: credit for credit in books.credits}, credit_id)
            if credit.state != "credited":
                raise ValueError(f"the credit is {credit.state}")
            credit.state, credit.reason = "returned", reason
            books.acceptors[credit.acceptor].balance_minor += credit.amount_minor

    # ---- what FTPS does -----------------------------------------------------------------------

    def facilitator(self, alias: str) -> Facilitator | None:
        """Who logs in under this name."""
        return self._books.facilitators.get(alias)

    def home(self, alias: str) -> Path:
        """The folder a facilitator sees."""
        return self.folder / "homes" / alias

    def arrived(self, path: Path) -> None:
        """A file came, or came by its name: it bears the switch's time from now on."""
        at_s = self.now().timestamp()
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (at_s, at_s))

    # ---- the day's work -----------------------------------------------------------------------

    def process(self) -> None:
        """Do all that is due by now. Doing it again does nothing; a stop in between is made up."""
        with self._changing() as books:
            now = self.now()
            for moment in self._mornings(books.worked_through, now):
                for facilitator in books.facilitators.values():
                    self._exchange_keys(facilitator, moment)
                    self._take(books, facilitator, moment)
                books.worked_through = moment
            for facilitator in books.facilitators.values():
                self._exchange_keys(facilitator, now)
            self._save()  # what was paid is known before anybody is told
            self._tidy(books)
            for file in books.files:
                self._reply(books, file, now)
            for credit in books.credits:
                if credit.state == "ordered" and credit.due_at <= now:
                    credit.state = "credited"
            for facilitator in books.facilitators.values():
                self._warn(facilitator, now)

    def _mornings(self, after: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
        day = after.astimezone(TEHRAN).date()
        while (moment := _at(day, self._hours.files_until)) <= until:
            if moment > after and self._open_on(day):
                yield moment
            day += _DAY

    def _take(self, books: Books, facilitator: Facilitator, moment: dt.datetime) -> None:
        folder = self.home(facilitator.alias) / "IN"
        done = {(file.alias, file.name) for file in books.files}
        for path in sorted(folder.glob("*.json")):
            found = _ORDER.fullmatch(path.name)
            signature = path.with_name(f"{path.name}.sign")
            if not found or found[1] != facilitator.alias or not signature.exists():
                continue  # not ours to read, or not whole yet
            arrived = max(_arrival(path), _arrival(signature))
            day = _jalali(found[2])
            if (facilitator.alias, path.name) in done or arrived > moment:
                continue
            if not day or day > moment.astimezone(TEHRAN).date():
                continue
            content = path.read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            file = OrderFile(facilitator.alias, path.name, sha256, arrived, moment)
            books.files.append(file)
            file.refused = _distrust(facilitator, content, signature.read_bytes(), moment)
            if not file.refused:
                self._judge(books, facilitator, file, content)

    def _judge(
        self, books: Books, facilitator: Facilitator, file: OrderFile, content: bytes
    ) -> None:
        day = file.taken_at.astimezone(TEHRAN).date()
        file.reply_at = _at(day, self._hours.replies_from)
        judge = Judge(facilitator.alias, facilitator.iban, books.acceptors.get)
        for verdict in judge.file(content):
            if isinstance(verdict, Payment):
                self._settle(books, file, verdict)
            else:
                file.errors += [error.entry() for error in verdict]

    def _settle(self, books: Books, file: OrderFile, payment: Payment) -> None:
        fault = next((f for f in books.record_faults if f.acceptor == payment.acceptor), None)
        if fault:
            books.record_faults.remove(fault)
            file.errors.append(Error(payment.record, fault.code, "settlementDataDetails").entry())
            if not fault.paid:
                return
        acceptor = books.acceptors[payment.acceptor]
        acceptor.balance_minor -= payment.amount_minor + payment.wage_minor
        due_at = _at(file.taken_at.astimezone(TEHRAN).date(), self._hours.credits_from)
        for iban, amount_minor in payment.parts:
            books.credits.append(
                Credit(
                    id=f"CR{len(books.credits) + 1:08}",
                    alias=file.alias,
                    file=file.name,
                    record=payment.record,
                    acceptor=payment.acceptor,
                    iban=iban,
                    amount_minor=amount_minor,
                    due_at=due_at,
                )
            )
        if payment.wage_minor:
            wage = Wage(file.alias, file.name, payment.record, payment.wage_minor)
            books.wages.append(wage)

    def _tidy(self, books: Books) -> None:
        """Put away what was taken; a name worked on once is never worked on again."""
        for file in books.files:
            path = self.home(file.alias) / "IN" / file.name
            signature = path.with_name(f"{path.name}.sign")
            if path.exists() and signature.exists():
                self._put_away(file.alias, path, signature)

    def _put_away(self, alias: str, *paths: Path) -> None:
        folder = self.folder / "taken" / alias
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
            path.replace(folder / f"{path.name}.{digest}")

    # ---- answers ------------------------------------------------------------------------------

    def _reply(self, books: Books, file: OrderFile, now: dt.datetime) -> None:
        if file.replied or not file.reply_at or file.reply_at > now:
            return
        how = _take_fault(books, file.alias, {"withheld", "truncated", "forged"})
        content = json.dumps(file.errors, ensure_ascii=False, indent=2).encode()
        key = rsa.generate_private_key(65537, 2048) if how == "forged" else self._key
        signature = key.sign(content, padding.PKCS1v15(), SHA256())
        if how == "truncated":
            content = content[: len(content) // 2]
        if how != "withheld":
            out = self.home(file.alias) / "OUT"
            _write(out / f"REP_{file.name}.sign", signature)
            _write(out / f"REP_{file.name}", content)
        file.replied = True

    # ---- keys ---------------------------------------------------------------------------------

    def _exchange_keys(self, facilitator: Facilitator, until: dt.datetime) -> None:
        """Decide on the new keys that came by then."""
        folder = self.home(facilitator.alias) / "IN" / "KEY_EXCHANGE"
        for path in sorted(folder.glob("*.pem")):
            found = _NEW_KEY.fullmatch(path.name)
            three = (path, *(path.with_name(f"{path.name}.{by}.sign") for by in ("cur", "new")))
            if not found or found[1] != facilitator.alias or not all(p.exists() for p in three):
                continue
            arrived = max(_arrival(p) for p in three)
            if arrived > until:
                continue
            pem, by_current, by_new = (p.read_bytes() for p in three)
            why = _refuse_key(facilitator, pem, by_current, by_new, arrived)
            if not why and _canonical(pem) != facilitator.keys[-1].pem:
                facilitator.keys.append(_key(pem, arrived))
            # The guide's sample says 0 with these words, its text that 1 accepts (p. 42, 43).
            contradictory = _take_fault(self._books, facilitator.alias, {"contradictory"})
            code = 0 if why or contradictory else 1
            text = f"Reason Code: {code}\r\nDescription: {why or 'Public Key Accepted'}\r\n"
            self._save()
            out = self.home(facilitator.alias) / "OUT" / "KEY_EXCHANGE"
            _write(out / f"REP_{path.name}", text.encode())
            self._put_away(facilitator.alias, *three)

    def _warn(self, facilitator: Facilitator, now: dt.datetime) -> None:
        key = facilitator.keys[-1]
        day = key.ends - WARNED_BEFORE
        if key.warned or now.astimezone(TEHRAN).date() < day:
            return
        out = self.home(facilitator.alias) / "OUT" / "KEY_EXCHANGE"
        name = f"{facilitator.alias}_KEY_EXPIRY_WARNING_{_stamp(day)}.txt"
        _write(out / name, f"Key Expiry Date: {_stamp(key.ends)}\r\n".encode())
        key.warned = True

    # ---- keeping ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Books]:
        """The books to change; saved after, or as they were before when something goes wrong."""
        with self._lock:
            try:
                yield self._books
            except BaseException:
                self._books = kept.load(self._file, self._books.worked_through)
                raise
            self._save()

    def _save(self) -> None:
        raw = kept.dump(self._books)
        if raw != self._saved:
            trust.write_secret(self._file, raw)
            self._saved = raw

    def _make_home(self, alias: str) -> None:
        for name in ("IN", "OUT"):
            (self.home(alias) / name / "KEY_EXCHANGE").mkdir(parents=True, exist_ok=True)


def _known[T](found: dict[str, T], key: str) -> T:
    try:
        return found[key]
    except KeyError:
        raise Unknown(key) from None


def _take_fault(books: Books, alias: str, ways: set[str]) -> str:
    for fault in books.reply_faults:
        if fault.alias == alias and fault.how in ways:
            books.reply_faults.remove(fault)
            return fault.how
    return ""


def _at(day: dt.date, time: dt.time) -> dt.datetime:
    return dt.datetime.combine(day, time, TEHRAN)


def _arrival(path: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)


def _jalali(text: str) -> dt.date | None:
    try:
        day = JalaliDate(int(text[:4]), int(text[4:6]), int(text[6:]))  # type: ignore[no-untyped-call]
        made: dt.date = day.to_gregorian()
    except ValueError:
        return None
    return made


def _stamp(day: dt.date) -> str:
    jalali = JalaliDate(day)  # type: ignore[no-untyped-call]
    return f"{jalali.year:04}{jalali.month:02}{jalali.day:02}"


def _write(path: Path, content: bytes) -> None:
    """Appear whole: the part lies outside what facilitators see."""
    part = path.parents[3] / f".{path.name}.part"
    part.write_bytes(content)
    part.replace(path)


def _distrust(
    facilitator: Facilitator, content: bytes, signature: bytes, moment: dt.datetime
) -> str:
    key = facilitator.keys[-1]
    if moment.astimezone(TEHRAN).date() >= key.ends:
        return "the key has ended"
    return "" if _signed(key.pem.encode(), content, signature) else "the signature is wrong"


def _refuse_key(
    facilitator: Facilitator, pem: bytes, by_current: bytes, by_new: bytes, at: dt.datetime
) -> str:
    current = facilitator.keys[-1]
    try:
        new = _canonical(pem)
    except ValueError:
        return "New Key Is Not RSA 2048"
    if new == current.pem:
        return ""  # the same again
    if any(key.pem == new for key in facilitator.keys):
        return "New Key Is Not New"
    if at.astimezone(TEHRAN).date() >= current.ends:
        return "Current Key Has Expired"
    if not _signed(current.pem.encode(), pem, by_current):
        return "Signature By Current Key Is Invalid"
    return "" if _signed(pem, pem, by_new) else "Signature By New Key Is Invalid"


def _key(pem: bytes, at: dt.datetime) -> Key:
    return Key(_canonical(pem), at.astimezone(TEHRAN).date())


def _canonical(pem: bytes) -> str:
    """One spelling for one key. Raises ValueError for what is not RSA 2048."""
    return _public(pem).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _public(pem: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm:
        raise ValueError("not RSA 2048") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != 2048:
        raise ValueError("not RSA 2048")
    return key


def _signed(pem: bytes, content: bytes, signature: bytes) -> bool:
    try:
        _public(pem).verify(signature, content, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
