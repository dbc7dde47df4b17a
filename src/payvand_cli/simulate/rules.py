"""What must always hold, checked after every write and once more when all is quiet.

The rules read the tables and what the outside parties hold, never what product code believes; the
edges, accounts and keys they expect are written down here once more on purpose. Numbers are those
of docs/simulation.md. Rules about one-time codes and consents wait for the code that makes them.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from payvand import calendar, ledger
from payvand.ids import Book, PaymentId, PayoutId
from payvand.merchant import HOUSE
from payvand.store.table import item_from_wire
from payvand_cli.simulate.engine import Engine
from payvand_cli.simulate.parties import Held, Session, SimulatedBank, SimulatedChannel

if TYPE_CHECKING:
    from payvand_cli.simulate.book_rules import BookRules
    from payvand_cli.simulate.file_rules import FileRules

Row = dict[str, Any]
EDGES: Final[Mapping[str, frozenset[str]]] = {
    "created": frozenset({"redirected", "accepted", "executed", "refused", "expired", "reversed"}),
    "redirected": frozenset({"accepted", "executed", "refused", "expired", "reversed"}),
    "accepted": frozenset({"executed", "refused", "expired", "reversed"}),
}
OPEN: Final = frozenset(EDGES)
PAYOUT_EDGES: Final[Mapping[str, frozenset[str]]] = {
    "new": frozenset({"sent"}),
    "sent": frozenset({"executed", "returned"}),
    "executed": frozenset({"returned"}),
    "returned": frozenset(),
}
"""Of a payout that is a file each."""
IN_FILES: Final[Mapping[str, frozenset[str]]] = {
    **PAYOUT_EDGES,
    "new": frozenset({"sent", "returned"}),  # withdrawn
    "sent": frozenset({"executed", "returned", "new"}),  # let go by a file written without it
}
PAYABLE: Final = "payable:merchant"
FEE_MAX_BASIS_POINTS: Final = 1500
_SEAL_MAY_CHANGE: Final = frozenset({"parts", "shared", "file"})
_PART_MAY_CHANGE: Final = frozenset({"state", "at", "paid_at", "code", "reason", "ref"})
_PAYMENT_NEVER_CHANGES: Final = ("amount", "ref", "ret", "exp", "fee", "fb", "meta", "payer")


class RuleBroken(BaseException):
    """A rule does not hold. A BaseException, so that no product code swallows it."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule
        self.what = what


def hold(truth: object, rule: str, what: str) -> None:
    """Raise RuleBroken unless something is true."""
    if not truth:
        raise RuleBroken(rule, what)


def transfer(seal: Row, n: int) -> str:
    """What the bank is told of a part of a payout."""
    payout = str(PayoutId.of(Book.parse(seal["pk"]), seal["n"]))
    return f"{payout}-{n + 1}" if len(seal["parts"]) > 1 else payout


def parts(chain: list[Row]) -> Iterator[tuple[Row, int, Row]]:
    """Every transfer that a chain orders."""
    for seal in chain:
        for n, part in enumerate(seal.get("parts", ())):
            yield seal, n, part


class Rules:
    """Everything known of one schedule's money, kept up as it is written."""

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, SimulatedChannel],
        bank: SimulatedBank,
        objects: dict[str, bytes],
    ) -> None:
        self.engine = engine
        self.channels = channels
        self.bank = bank
        self.objects = objects
        self.payments: dict[str, Row] = {}
        self.postings: dict[str, Row] = {}
        self.references: dict[str, str] = {}
        self.receipts: dict[tuple[str, str], str] = {}
        self.seals: dict[str, list[Row]] = {}
        self.closing: dict[str, str] = {}
        self.sealed: dict[str, str] = {}
        """Line id → payout-like name of the seal that holds it."""
        self.told: dict[tuple[str, str, str], str] = {}
        self.told_types: dict[str, set[str]] = {}
        self.born_late: set[str] = set()
        self.minimum: dict[str, int] = {}
        """Book → what is too little to be paid out."""
        self.never_in_debt: set[str] = set()
        """Books whose refunds are refused where the balance does not cover them."""
        self.files: FileRules | None = None
        """What holds of payout files and tasks."""
        self.books: BookRules | None = None
        """What holds of reconciliation."""
        self.expected: set[str] = set()
        """Postings an item of the running transaction promised."""

    # ── after every write ─────────────────────────────────────────────────────────────────────

    def wrote(self, table: str, key: Any, old: Any, new: Any) -> None:
        """Check one committed change (the hook of the store)."""
        del key
        if table == "payments":
            hold(new is not None, "money is kept", "an item of the payments table was removed")
            self._payments_row(item_from_wire(new), old is None)
        elif table == "settlement":
            hold(new is not None, "money is kept", "an item of the settlement table was removed")
            self._settlement_row(old, item_from_wire(new))
        elif table == "references" and new is not None:
            self._reference(new)
        elif table == "operations" and self.files is not None:
            self.files.wrote(old, new)
        elif table == "merchants" and self.books is not None and new["id"]["S"] == HOUSE:
            self.books.house(old)

    def _settlement_row(self, old: Any, row: Row) -> None:
        if row["sk"] == "head":
            self._head(row)
        elif row["sk"].startswith("sheet#"):
            self._sheet(row["pk"], row["digest"])
        elif row["sk"].startswith("seal#"):
            self._seal(row, old is None)
        elif row["pk"].startswith("rec.") and self.books is not None:
            self.books.wrote(None if old is None else item_from_wire(old), row)

    def _reference(self, new: Any) -> None:
        pk, payment = new["pk"]["S"], new["payment"]["S"]
        known = self.references.setdefault(pk, payment)
        hold(known == payment, "9b one reference, one payment", f"{pk} was given to {payment}")

    def _payments_row(self, row: Row, is_new: bool) -> None:  # noqa: FBT001
        id: str = row["id"]
        if not id.startswith("pay_"):
            self._posting(row, is_new)
            return
        before = self.payments.get(id)
        self.payments[id] = row
        if before is not None and not is_new:
            self._payment_moved(before, row)
        else:
            hold(before is None, "12 edges", f"{id} was put twice")
            self._born(id)
        legs = row.get("legs")
        if legs is not None:
            self._balanced(id, legs)
        if row["status"] == "executed":
            if before is None or before["status"] != "executed":
                self._executed(row)
        else:
            hold(
                "exe" not in row and legs is None,
                "4 status and journal",
                f"{id} has legs unexecuted",
            )
            if row["status"] not in OPEN and before is not None and before["status"] in OPEN:
                self._failed(row)
        self._refunds(before, row)

    def _payment_moved(self, before: Row, row: Row) -> None:
        id = row["id"]
        old, new = before["status"], row["status"]
        hold(old == new or new in EDGES.get(old, ()), "12 edges", f"{id}: {old} became {new}")
        for name in _PAYMENT_NEVER_CHANGES:
            hold(before.get(name) == row.get(name), "12 edges", f"{id}: {name} changed")
        hold(
            _tokens(row)[: len(before["att"])] == _tokens(before), "12 edges", f"{id}: attempt gone"
        )
        hold(
            len(row["att"]) == len(before["att"]) or (old in OPEN and new in OPEN),
            "12 edges",
            f"{id}: an attempt joined a finished payment",
        )
        if "exe" in before:
            same = before["exe"] == row["exe"] and before.get("legs") == row.get("legs")
            hold(same, "4 status and journal", f"{id}: the booking changed")
        hold(row.get("moved") or not before.get("moved"), "8 one seal", f"{id}: came unmoved")

    def _born(self, id: str) -> None:
        payment = PaymentId.parse(id)
        if payment.day.isoformat() <= self.closing.get(payment.book.key, ""):
            self.born_late.add(id)

    def _failed(self, row: Row) -> None:
        """Only an explicit word of every channel ends a payment without money."""
        for attempt in row["att"]:
            session = self._session(attempt["c"], attempt["t"])
            back = session.taken and session.refunded_minor == session.taken.amount_minor
            over = session.held in {Held.CANCELLED, Held.GIVEN_BACK} or back
            what = f"{row['id']} is {row['status']}, {attempt['c']} says {session.held}"
            hold(over, "5 a time-out is no failure", what)

    def _executed(self, row: Row) -> None:
        id, exe = row["id"], row["exe"]
        payment = PaymentId.parse(id)
        attempt = row["att"][exe["n"]]
        session = self._session(attempt["c"], attempt["t"])
        by_payer = row["fee"].get("payer", False)
        asked = row["amount"] + (exe["fee"] if by_payer else 0)
        hold(row.get("sur", 0) == asked - row["amount"], "15 fee in its cap", f"{id}: surcharge")
        hold(
            session.taken == session.money and session.taken.amount_minor == asked,
            "3 verified and equal",
            f"{id} was booked with {asked}, the channel took {session.taken}",
        )
        hold(
            session.held is Held.VERIFIED
            or (session.held is Held.TAKEN and self._by_notice(attempt)),
            "3 verified and equal",
            f"{id} was booked while the channel says {session.held}",
        )
        hold(session.payment_id == id, "2 booked once", f"{id} was booked with another's session")
        hold(session.receipt == exe["ref"], "3 verified and equal", f"{id}: another receipt")
        taken = self.receipts.setdefault((attempt["c"], exe["ref"]), id)
        hold(taken == id, "2 booked once", f"{exe['ref']} pays {taken} and {id}")
        most = row["amount"] * FEE_MAX_BASIS_POINTS // 10_000
        hold(0 <= exe["fee"] <= max(most, 0), "15 fee in its cap", f"{id}: fee {exe['fee']}")
        if "legs" in row:
            own_day = exe["day"] == payment.day.isoformat()
            hold(own_day, "4 status and journal", f"{id}: booked in {exe['day']} on its own item")
            self._day_is_open(payment.book.key, exe["day"], id)
        else:
            self._expect(f"x:{id}")

    def _by_notice(self, attempt: Row) -> bool:
        return self.channels[attempt["c"]].traits.notices

    def _session(self, channel: str, token: str) -> Session:
        session = self.channels[channel].sessions.get(token)
        hold(session is not None, "3 verified and equal", f"{channel} does not know {token}")
        assert session is not None
        return session

    def _day_is_open(self, book: str, day: str, id: str) -> None:
        """Money may land in a day that is not in a seal yet; a seal reads what landed before."""
        seals = self.seals.get(book)
        hold(
            not seals or seals[-1]["through"] < day,
            "8 one seal",
            f"{id} landed in {day}, which is sealed",
        )

    def _posting(self, row: Row, is_new: bool) -> None:  # noqa: FBT001
        id = row["id"]
        hold(is_new and id not in self.postings, "8 one seal", f"{id} was written again")
        self.postings[id] = row
        self.expected.discard(id)
        self._balanced(id, row["legs"])
        if id.startswith("m:") and self.books is not None:
            self.books.journal(row)
        book, day, _ = row["pk"].split("#")
        closing = self.closing.get(book)
        hold(closing is None or closing < day, "8 one seal", f"{id} was posted into closed {day}")
        self._day_is_open(book, day, id)
        if book in self.never_in_debt and id.startswith("f:"):
            left = self._owed(book) - sum(seal["payout"] for seal in self.seals.get(book, ()))
            hold(left >= 0, "9 balance", f"{id} leaves {book} with {left}, which refuses debts")

    def _balanced(self, id: str, legs: Mapping[str, int]) -> None:
        hold(sum(legs.values()) == 0, "1 journals balance", f"{id}: {legs}")

    def _refunds(self, before: Row | None, row: Row) -> None:
        refunds = row["refunds"]
        if before is not None and before["refunds"] == refunds:
            hold(
                before["refunded"] == row["refunded"],
                "10 refunds bounded",
                f"{row['id']}: total moved",
            )
            return
        if not refunds:
            hold(
                row["refunded"] == 0,
                "10 refunds bounded",
                f"{row['id']}: {row['refunded']} of nothing",
            )
            return
        id, known = row["id"], before["refunds"] if before else {}
        hold(row["status"] == "executed", "10 refunds bounded", f"{id}: refund of nothing")
        hold(known.keys() <= refunds.keys(), "10 refunds bounded", f"{id}: a refund vanished")
        booked = 0
        for key, refund in refunds.items():
            was = known.get(key)
            if was is not None:
                kept = all(was[n] == refund[n] for n in ("id", "amount", "day", "at"))
                hold(kept, "10 refunds bounded", f"{id}: refund {key} was rewritten")
                same = was["state"] == "pending" or was == refund
                hold(same, "12 edges", f"{id}: refund {was['state']} became {refund}")
            if refund["state"] != "failed":
                booked += refund["amount"]
            self._expect(f"f:{id}:{key}")
            if refund["state"] == "failed":
                self._expect(f"c:{id}:{key}")
        hold(booked == row["refunded"], "10 refunds bounded", f"{id}: {row['refunded']} ≠ {booked}")
        hold(booked <= row["amount"], "10 refunds bounded", f"{id}: {booked} of {row['amount']}")

    def _expect(self, posting: str) -> None:
        if posting not in self.postings:
            self.expected.add(posting)

    def committed(self) -> None:
        """A transaction is whole: what one of its items promised must be there."""
        if self.expected:
            missing = min(self.expected)
            raise RuleBroken("4 status and journal", f"{missing} is missing")
        if self.books is not None:
            self.books.committed()

    # ── settlement ────────────────────────────────────────────────────────────────────────────

    def _head(self, row: Row) -> None:
        book, closing = row["pk"], row.get("closing")
        before = self.closing.get(book, "")
        if closing is None:  # only a count of covered refunds so far
            hold(not before, "8 one seal", f"{book}: the fence is gone")
            return
        hold(before <= closing, "8 one seal", f"{book}: the fence went back")
        self.closing[book] = closing

    def _seal(self, row: Row, is_new: bool) -> None:  # noqa: FBT001
        book = row["pk"]
        chain = self.seals.setdefault(book, [])
        if not is_new:
            self._seal_changed(chain[row["n"] - 1], row)
            chain[row["n"] - 1] = row
            return
        last = chain[-1] if chain else None
        name = f"seal {row['n']} of {book}"
        hold(row["n"] == len(chain) + 1, "5 chain", f"{name} is not the next")
        if last is not None:
            hold(row["previous"] == last["digest"], "5 chain", f"{name} does not follow")
            first = (dt.date.fromisoformat(last["through"]) + dt.timedelta(1)).isoformat()
            hold(row["first"] == first, "5 chain", f"{name} begins {row['first']}, not {first}")
        opening = last["closing_balance"] if last else 0
        hold(row["opening"] == opening, "9 balance", f"{name} opens with {row['opening']}")
        self._lines(name, row, book)
        owed = -row["sums"].get(PAYABLE, 0)
        hold(row["payout"] >= 0, "9 balance", f"{name} pays {row['payout']}")
        kept = opening + owed - row["payout"]
        hold(
            row["closing_balance"] == kept,
            "9 balance",
            f"{name}: {row['closing_balance']} ≠ {kept}",
        )
        held = row.get("held", 0)
        free = opening + owed - held
        least = max(1, self.minimum.get(book, 0))
        hold(row["payout"] == (free if free >= least else 0), "9 balance", f"{name}: pays not all")
        parts = sum(part["amount"] for part in row.get("parts", ()))
        hold(parts == row["payout"], "15 parts sum to the whole", f"{name}: {parts}")
        chain.append(row)

    def _lines(self, name: str, row: Row, book: str) -> None:
        content = self.objects.get(row["lines"])
        hold(content is not None, "5 chain", f"{name}: its lines are missing")
        assert content is not None
        digest = hashlib.sha256(content).hexdigest()
        hold(digest == row["lines_digest"], "5 chain", f"{name}: other lines than it names")
        found = [json.loads(line) for line in content.splitlines()]
        sheets = [self._sheet(book, line["sheet"]) for line in found if "sheet" in line]
        found += [json.loads(line) for sheet in sheets for line in sheet.splitlines()]
        lines = [line for line in found if "id" in line]
        hold(
            len(lines) == row["count"], "5 chain", f"{name}: {len(lines)} lines, not {row['count']}"
        )
        sums: dict[str, int] = {}
        for line in lines:
            id = line["id"]
            hold(
                id not in self.sealed, "8 one seal", f"{id} is in {name} and {self.sealed.get(id)}"
            )
            self.sealed[id] = name
            hold(
                line["legs"] == self._legs(id), "8 one seal", f"{name}: {id} differs from its item"
            )
            for account, minor in line["legs"].items():
                sums[account] = sums.get(account, 0) + minor
        kept = {account: minor for account, minor in sums.items() if minor}
        hold(kept == row["sums"], "5 chain", f"{name}: sums {row['sums']}, lines {kept}")
        present = {line["id"] for line in lines}
        for id, day in self._booked(book):
            due = row["first"] <= day <= row["through"]
            hold(not due or id in present, "8 one seal", f"{id} of {day} is missing in {name}")

    def _sheet(self, book: str, digest: str) -> bytes:
        """The object of a sheet that is named: it is there, and it is that one."""
        content = self.objects.get(f"lines/{book}/sheets/{digest}", b"")
        same = hashlib.sha256(content).hexdigest() == digest
        hold(same, "5 chain", f"{book}: sheet {digest[:8]} is missing or another")
        return content

    def _legs(self, id: str) -> Any:
        row = self.payments.get(id) or self.postings.get(id)
        return None if row is None else row.get("legs")

    def _booked(self, book: str) -> list[tuple[str, str]]:
        """Every movement of a book and its day."""
        found = [
            (id, row["exe"]["day"])
            for id, row in self.payments.items()
            if "legs" in row and row["pk"].startswith(book)
        ]
        for id, row in self.postings.items():
            if row["pk"].startswith(book):
                found.append((id, row["pk"].split("#")[1]))
        return found

    def _owed(self, book: str) -> int:
        """What every movement of a book together owes its merchant."""
        legs = (self._legs(id) for id, _ in self._booked(book))
        owed: int = -sum(found.get(PAYABLE, 0) for found in legs if found is not None)
        return owed

    def _seal_changed(self, before: Row, row: Row) -> None:
        name = f"seal {row['n']} of {row['pk']}"
        for key in before.keys() | row.keys():
            same = before.get(key) == row.get(key)
            hold(same or key in _SEAL_MAY_CHANGE, "5 chain", f"{name}: {key} changed")
        payout = PayoutId.of(Book.parse(row["pk"]), row["n"])
        for who in row.get("shared", {}).keys() - before.get("shared", {}).keys():
            hold(
                ledger.referral(who) in row["sums"],
                "shares are booked once",
                f"{name}: nothing is {who}'s",
            )
            self._expect(f"e:{payout}")
        back = []
        both = zip(before.get("parts", ()), row.get("parts", ()), strict=True)
        for n, (was, part) in enumerate(both):
            self._part_changed(name, was, part)
            if part["state"] == "returned" != was["state"]:
                back.append(transfer(row, n))
        for reference in [str(payout)] if back and len(back) == len(row["parts"]) else back:
            self._expect(f"r:{reference}")
        if self.by_file and self.files is not None:
            self.files.moved(name, before, row)

    @property
    def by_file(self) -> bool:
        """Whether payouts of this schedule leave in files of many."""
        return self.files is not None and self.files.bank is not None

    def _part_changed(self, name: str, was: Row, part: Row) -> None:
        for key in was.keys() | part.keys():
            same = was.get(key) == part.get(key)
            hold(same or key in _PART_MAY_CHANGE, "5 chain", f"{name}: {key} changed")
        old, new = was["state"], part["state"]
        edges = IN_FILES if self.by_file else PAYOUT_EDGES
        hold(old == new or new in edges[old], "12 edges", f"{name}: payout {old} became {new}")

    # ── messages out ──────────────────────────────────────────────────────────────────────────

    def ordered(self, reference: str, order: Mapping[str, Any]) -> None:
        """An order file was written for the bank."""
        payout = PayoutId.parse(reference[: len("po_") + 12])
        chain = self.seals.get(payout.book.key, [])
        hold(payout.n <= len(chain), "7 paid once", f"{reference} has no seal")
        seal = chain[payout.n - 1]
        part = seal["parts"][int(reference.partition("-")[2] or 1) - 1]
        same = order["amount"] == part["amount"] and order["iban"] == opened(part["iban"])
        hold(same, "7 paid once", f"{reference}: {order} is not what its seal orders")
        hold(not self.bank.differing, "7 paid once", f"{reference}: two different orders")

    def notified(self, event: Mapping[str, Any]) -> None:
        """A merchant's server received an event."""
        data = event["data"]
        id = data.get("payment_id")
        if id is None:
            return
        row = self.payments.get(id)
        hold(row is not None, "11 told after the commit", f"{event['type']} of unknown {id}")
        assert row is not None
        if event["type"].startswith("payment.executed"):
            hold(
                row["status"] == "executed", "11 told after the commit", f"{id} is {row['status']}"
            )
        subject = data.get("refund_id") or id
        key = (event["type"], id, subject)
        first = self.told.setdefault(key, event["id"])
        hold(first == event["id"], "11 told after the commit", f"{event['type']} of {id}: two ids")
        self.told_types.setdefault(id, set()).add(event["type"])

    def acknowledged(self, session: Session, told: Mapping[str, Any]) -> None:
        """A channel was told that its notice arrived: it will not repeat it."""
        row = self.payments.get(session.payment_id)
        if told["verdict"] == "paid" and session.taken == session.money and row is not None:
            over = row["status"] not in OPEN
            hold(over, "6 resolved in time", f"{session.payment_id}: a notice was waved through")

    # ── when all is quiet ─────────────────────────────────────────────────────────────────────

    def unfinished(self, handed: Collection[str]) -> str | None:
        """What is not over yet, or None: then the final rules may be asked.

        `handed` are the payments a merchant got an answer about: one nobody heard of may stay open,
        because nobody can pay it (it is shown as expired). So may one put into a day already fenced
        whose timers were all lost: nothing meets it but a redrive, or its payer.
        """
        for id, row in self.payments.items():
            if row["status"] in OPEN:
                unarmed = id in self.born_late and self.engine.mood.timers_lost_per_mille
                if id in handed and not unarmed:
                    return f"{id} is {row['status']}"
            elif len(row["att"]) > 1 and not row.get("shut"):
                return f"{id} has attempts nobody ended"
            if any(refund["state"] == "pending" for refund in row["refunds"].values()):
                return f"a refund of {id} is pending"
        unpaid = (self._unpaid(book, chain) for book, chain in self.seals.items())
        found = next(filter(None, unpaid), None)
        lost = (
            f"{id} is in no seal"
            for id in [*self.payments, *self.postings]
            if self._legs(id) is not None and id not in self.sealed
        )
        return found or next(lost, None)

    def _unpaid(self, book: str, chain: list[Row]) -> str | None:
        for seal, n, part in parts(chain):
            state, reference = part["state"], transfer(seal, n)
            if state in {"new", "sent"} and not self._mute(reference):
                return f"payout {seal['n']} of {book} is {state}"
            found = self.bank.transfers.get(reference)
            if state == "executed" and found is not None and found.returned:
                return f"payout {seal['n']} of {book} came back"
        for seal in chain:
            unshared = ledger.referrers(seal["sums"]).keys() - seal.get("shared", {}).keys()
            if unshared:
                return f"seal {seal['n']} of {book} did not share its fees"
        if not chain:
            return None
        free = chain[-1]["closing_balance"] - chain[-1].get("held", 0)
        if free >= max(1, self.minimum.get(book, 0)):
            return f"{book} is owed {chain[-1]['closing_balance']}"
        return None

    def _mute(self, reference: str) -> bool:
        """Whether the bank will never say what became of a transfer."""
        return (
            self.files is not None
            and self.files.bank is not None
            and (reference in self.files.bank.mute)
        )

    def at_the_end(self) -> None:
        """The rules about everything together."""
        for book, chain in self.seals.items():
            owed = self._owed(book)
            paid = sum(seal["payout"] for seal in chain)
            last = chain[-1]["closing_balance"]
            hold(owed - paid == last, "9 balance", f"{book}: {owed} − {paid} ≠ {last}")
        self._bank()
        self._shares()
        if self.files is not None:
            self.files.at_the_end()
        if self.books is not None:
            self.books.at_the_end()
        for name, channel in self.channels.items():
            self._channel(name, channel)

    def _bank(self) -> None:
        for chain in self.seals.values():
            for seal, n, part in parts(chain):
                reference = transfer(seal, n)
                found = self.bank.transfers.get(reference)
                if self.by_file and self.files is not None:
                    same = self.files.settled(reference, part)
                    what = f"{reference}: {found} at the bank, {part['state']} here"
                    hold(same, "14 reconciles", what)
                    continue
                hold(found is not None, "7 paid once", f"{reference} never reached the bank")
                assert found is not None
                kept = found.paid and not found.returned
                booked = part["state"] == "executed"
                hold(
                    kept == booked, "14 reconciles", f"{reference}: bank kept {kept}, {booked} here"
                )

    def _shares(self) -> None:
        """A referrer has a fifth of each fee it brought, in its own book, and nothing more."""
        earned: dict[str, int] = {}
        for row in self.payments.values():
            who = row["fee"].get("by")
            if who is not None and "exe" in row:
                earned[who] = earned.get(who, 0) + row["exe"]["fee"] // 5
        given: dict[str, int] = {}
        for id, row in self.postings.items():
            if id.startswith("e:"):
                who = Book.parse(row["pk"].split("#")[0]).merchant_id
                given[who] = given.get(who, 0) - row["legs"][PAYABLE]
        given, earned = ({k: v for k, v in d.items() if v} for d in (given, earned))
        hold(given == earned, "shares are booked once", f"earned {earned}, given {given}")

    def _channel(self, name: str, channel: SimulatedChannel) -> None:
        """What the channel holds for us is what the ledger says it owes us."""
        owed = 0
        for row in [*self.payments.values(), *self.postings.values()]:
            owed += (row.get("legs") or {}).get(f"receivable:{name}", 0)
        held = 0
        for token, session in channel.sessions.items():
            self._session_is_right(name, token, session)
            if session.has_money and session.taken is not None:
                held += session.taken.amount_minor - session.refunded_minor
        hold(owed == held, "14 reconciles", f"{name} holds {held}, the ledger says {owed}")

    def _session_is_right(self, name: str, token: str, session: Session) -> None:
        row = self.payments.get(session.payment_id)
        booked = row is not None and "exe" in row and row["att"][row["exe"]["n"]]["t"] == token
        for key, made in session.refunds.items():
            done = sum(1 for r in made if r.verdict.value == "done")
            hold(done <= 1, "10 refunds bounded", f"{name} gave {key} back {done} times")
        if not session.has_money or session.taken is None:
            hold(
                not booked, "14 reconciles", f"{session.payment_id} is booked, {name} has no money"
            )
            return
        back = session.refunded_minor == session.taken.amount_minor and not booked
        what = f"{name} took {session.taken.amount_minor} for {session.payment_id}"
        hold(booked or back, "5 no taken payment lost", what)


def _tokens(row: Row) -> list[str]:
    """The attempts, without what was learnt about them since."""
    return [attempt["t"] for attempt in row["att"]]


def day_of(moment_ms: int, currency: str = "IRR") -> dt.date:
    """The settlement day of a moment."""
    return calendar.label(dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC), currency)


def opened(sealed: bytes) -> str:
    """What the simulated vault sealed."""
    return sealed.removeprefix(b"kms:").rpartition(b"|")[0].decode()
