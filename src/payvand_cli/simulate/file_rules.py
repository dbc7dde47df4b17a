"""What must always hold of payouts that leave in files of many, and of operator tasks.

Like the other rules these read the tables, the bucket and what the bank did, never what product
code believes.
"""

import csv
import hashlib
import io
import json
from typing import Any, Final

from payvand.ids import Book, PayoutId
from payvand.store.table import item_from_wire
from payvand_cli.simulate.file_bank import FileBank
from payvand_cli.simulate.rules import Row, Rules, hold, opened, transfer

FILE_EDGES: Final = {None: "open", "open": "written", "written": "sent", "sent": "closed"}
_FIXED: Final = ("name", "date", "digest", "count", "amount", "cycle", "at", "message")
"""What of a file never changes once it is written."""
ONCE: Final = "7 paid once"
FILES: Final = "7 a file is fixed"
TASKS: Final = "a person is asked once"
WITHDRAWN: Final = "withdrawn"


class FileRules:
    """Everything known of one schedule's payout files and tasks."""

    def __init__(self, rules: Rules, bank: FileBank | None) -> None:
        self.rules = rules
        self.bank = bank
        self.objects = rules.objects
        self.due: dict[str, int] = {}
        self.files: dict[str, Row] = {}
        """By the file's key."""
        self.member_of: dict[str, str] = {}
        """Payout → the one written file it is in."""
        self.contents: dict[str, bytes] = {}
        """A file's name at the bank → its bytes."""
        self.carried: dict[str, str] = {}
        """Reference → the name it was ordered under."""
        self.read: set[str] = set()
        """Keys of answers that were read."""
        self.tasks: dict[str, Row] = {}
        self.done: dict[str, Row] = {}

    # ── after every write ─────────────────────────────────────────────────────────────────────

    def wrote(self, old: Any, new: Any) -> None:
        """Check one change of the operations table."""
        was = None if old is None else item_from_wire(old)
        row = None if new is None else item_from_wire(new)
        key = (row or was or {})["pk"]
        place = key.partition(".")[0]
        if place == "due":
            self._due(was, row)
        elif place == "file" and row is not None:
            self._file(was, row)
        elif place == "read" and row is not None:
            self.read.add(row["sk"])
        elif place in {"task", "done"}:
            self._task(place, was, row)

    def _due(self, was: Row | None, row: Row | None) -> None:
        if row is not None:
            first = self.due.setdefault(row["sk"], row["at"])
            hold(first == row["at"], FILES, f"{row['sk']} waits anew, not since its first time")
        elif was is not None:
            self.due.pop(was["sk"], None)
            states = {part["state"] for part in self._seal(was["sk"])["parts"]}
            left = was["sk"] in self.member_of or states == {"returned"}
            hold(left, FILES, f"{was['sk']} waits no more, and is in no file")

    def _file(self, was: Row | None, row: Row) -> None:
        name = f"file {row['sk']}"
        before = None if was is None else was["state"]
        hold(FILE_EDGES.get(before) == row["state"], FILES, f"{name}: {before} to {row['state']}")
        if before not in {None, "open"} and was is not None:
            kept = all(was[field] == row[field] for field in _FIXED)
            hold(kept, FILES, f"{name} changed after it was written")
        self.files[row["sk"]] = row
        if row["state"] == "written":
            self._written(name, row)

    def _written(self, name: str, row: Row) -> None:
        lane = row["pk"].removeprefix("file.")
        body = self.objects.get(f"bank/files/{lane}/{row['sk']}/{row['digest']}", b"")
        hold(hashlib.sha256(body).hexdigest() == row["digest"], FILES, f"{name}: not its bytes")
        found = json.loads(body)
        content = bytes.fromhex(found["content"])
        hold(row["name"] not in self.contents, FILES, f"{name}: the name {row['name']} is taken")
        self.contents[row["name"]] = content
        for payout in found["members"]:
            other = self.member_of.setdefault(payout, row["sk"])
            hold(other == row["sk"], ONCE, f"{payout} is in {other} and {row['sk']}")
            seal = self._seal(payout)
            hold(seal.get("file") == row["sk"], ONCE, f"{payout} is in {name} unclaimed")
        ordered = {r["reference"]: (int(r["amount"]), r["iban"]) for r in rows(content)}
        expected = {
            transfer(seal, n): (part["amount"], opened(part["iban"]))
            for payout in found["members"]
            for seal in [self._seal(payout)]
            for n, part in enumerate(seal["parts"])
        }
        hold(ordered == expected, ONCE, f"{name}: {ordered} is not what seals order: {expected}")
        hold(row["amount"] == sum(a for a, _ in ordered.values()), FILES, f"{name}: its amount")

    def _task(self, place: str, was: Row | None, row: Row | None) -> None:
        if row is None:
            assert was is not None
            hold(was["sk"] in self.done, TASKS, f"{was['sk']} is gone, and was never closed")
            self.tasks.pop(was["sk"], None)
            return
        hold(was is None, TASKS, f"{place} {row['sk']} was written again")
        if place == "done":
            self.done[row["sk"]] = row
        else:
            hold(row["sk"] not in self.done, TASKS, f"{row['sk']} was closed, and is open again")
            self.tasks[row["sk"]] = row

    def _seal(self, payout: str) -> Row:
        id = PayoutId.parse(payout)
        return self.rules.seals[id.book.key][id.n - 1]

    def delivered(self, name: str, content: bytes) -> None:
        """A file was left for the bank."""
        hold(self.contents.get(name) == content, FILES, f"{name} is no file, or not its bytes")
        for row in rows(content):
            first = self.carried.setdefault(row["reference"], name)
            hold(first == name, ONCE, f"{row['reference']} is ordered by {first} and {name}")

    # ── a seal's payout ───────────────────────────────────────────────────────────────────────

    def moved(self, name: str, before: Row, row: Row) -> None:
        """The claim of a payout and the states of its parts go together."""
        was, now = before.get("file"), row.get("file")
        old = {part["state"] for part in before.get("parts", ())}
        new = {part["state"] for part in row.get("parts", ())}
        payout = str(PayoutId.of(Book.parse(row["pk"]), row["n"]))
        if was is None and now is not None:
            hold(old == {"new"} and new == {"sent"}, "12 edges", f"{name}: claimed when {old}")
            hold(payout not in self.member_of, ONCE, f"{payout} is claimed by {now} a second time")
        elif was is not None and now is None:
            hold(old == {"sent"} and new == {"new"}, "12 edges", f"{name}: let go when {old}")
            written = self.files[was]["state"] != "open"
            hold(written, ONCE, f"{payout} is let go by {was}, which is not written")
            hold(payout not in self.member_of, ONCE, f"{payout} is let go, and in a file")
        else:
            hold(was == now, ONCE, f"{payout} went from {was} to {now}")
        for n, (one, other) in enumerate(
            zip(*(x.get("parts", ()) for x in (before, row)), strict=True)
        ):
            if one["state"] != other["state"]:
                self._said(transfer(row, n), payout, one, other)

    def _said(self, reference: str, payout: str, one: Row, other: Row) -> None:
        """A part is where the bank says it is, and nowhere else."""
        assert self.bank is not None
        made = self.bank.transfers.get(reference)
        if other["state"] == "executed":
            hold(made is not None and made.paid, "14 reconciles", f"{reference} was never paid")
        elif other["state"] == "returned" and one["state"] == "new":
            out = payout in self.member_of or other.get("code") != WITHDRAWN
            hold(not out, ONCE, f"{reference} was taken back, and had left")
        elif other["state"] == "returned":
            back = made is not None and (not made.paid or made.returned)
            hold(back, "14 reconciles", f"{reference} came back, the bank says it did not")

    def stirs(self) -> bool:
        """Whether a run would find anything to do, or may."""
        assert self.bank is not None
        moving = any(row["state"] in {"open", "written"} for row in self.files.values())
        unread = self.bank.left.keys() - self.read
        return bool(self.due or moving or self.bank.mute or unread)

    # ── when all is quiet ─────────────────────────────────────────────────────────────────────

    def unfinished(self) -> str | None:
        """What of files is not over yet."""
        if self.bank is None:
            return None
        if self.due:
            return f"{min(self.due)} waits for a file"
        for key, row in self.files.items():
            if row["state"] == "written":
                return f"file {key} waits to be handed over"
            mute = self.bank.mute & {r["reference"] for r in rows(self._bytes(row))}
            if row["state"] == "sent" and mute - self.bank.vague:
                return f"file {key} is unanswered, and nobody asks"
        unread = self.bank.left.keys() - self.read
        return f"{min(unread)} is not read" if unread else None

    def _bytes(self, row: Row) -> bytes:
        return self.contents.get(row["name"], b"")

    def at_the_end(self) -> None:
        """The rules about everything together."""
        for chain in self.rules.seals.values():
            for seal in chain:
                self._claimed(seal)
                self._booked_back(seal)
        if self.bank is None:
            return
        known = self.tasks.keys() | self.done.keys()
        for reference in self.bank.vague & self.carried.keys():
            hold(f"payout_in_doubt#{reference}" in known, TASKS, f"nobody asks about {reference}")
        kinds = {"unreadable": "bank_answer_unreadable", "doubtful": "bank_answer_doubtful"}
        for key, kind in self.bank.left.items():
            asked = kind not in kinds or f"{kinds[kind]}#{key}" in known
            hold(asked, TASKS, f"nobody asks about {key}, which is {kind}")

    def _claimed(self, seal: Row) -> None:
        payout = str(PayoutId.of(Book.parse(seal["pk"]), seal["n"]))
        file = seal.get("file")
        hold(self.member_of.get(payout) == file, ONCE, f"{payout} is claimed by {file}, not in it")

    def _booked_back(self, seal: Row) -> None:
        """What came back is in the balance, by postings of just that amount."""
        payout = str(PayoutId.of(Book.parse(seal["pk"]), seal["n"]))
        back = sum(p["amount"] for p in seal.get("parts", ()) if p["state"] == "returned")
        booked = sum(
            -row["legs"].get("payable:merchant", 0)
            for id, row in self.rules.postings.items()
            if id.startswith(f"r:{payout}")
        )
        hold(booked == back, "9 balance", f"{payout}: {back} came back, {booked} was booked back")

    def settled(self, reference: str, part: Row) -> bool:
        """Whether the bank and the books agree on one transfer."""
        assert self.bank is not None
        made = self.bank.transfers.get(reference)
        if made is None:
            return part["state"] == "returned" and part.get("code") == WITHDRAWN
        if reference in self.bank.mute:
            known = self.tasks.keys() | self.done.keys()
            file = self.member_of[reference.partition("-")[0]]
            asked = {f"payout_in_doubt#{reference}", f"payout_file_unanswered#{file}"}
            return part["state"] == "sent" and not asked.isdisjoint(known)
        kept = made.paid and not made.returned
        return kept is (part["state"] == "executed")


def rows(content: bytes) -> list[dict[str, str]]:
    """The rows of a payout file."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
