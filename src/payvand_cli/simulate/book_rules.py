"""What must always hold of reconciliation: sources, chains of runs, people's words, the house.

Like the other rules these read the tables, the bucket and what the bank did, never what product
code believes; which item stands for what is written down here once more on purpose.
"""

import datetime as dt
import gzip
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from payvand import calendar
from payvand.ids import Book, PayoutId, derived
from payvand.merchant import HOUSE
from payvand_cli.simulate.rules import PAYABLE, Row, Rules, hold, transfer
from payvand_cli.simulate.statements import SOURCE, Statements

CHAIN: Final = "5 chain"
ENDED: Final = "an item ends once"
BOOKED: Final = "4 status and journal"
EQUAL: Final = "3 verified and equal"
SPOKEN: Final = "a word holds"
TASKS: Final = "a person is asked once"
BEGUN: Final = "a source begins once"
BY_HAND: Final = "looked at"
"""What a person notes who closes a task."""


class BookRules:
    """Everything known of one schedule's reconciliation."""

    def __init__(self, rules: Rules, statements: Statements) -> None:
        self.rules = rules
        self.statements = statements
        self.objects = rules.objects
        self.since: dict[str, str] = {}
        self.chain: list[Row] = []
        self.decided: dict[str, Row] = {}
        """Item → what ended it, and the run that did."""
        self.ended: dict[str, str] = {}
        """Entry → the item it ended with."""
        self.waiting: dict[str, Row] = {}
        """Item → how the last link shows it, of those that wait for a person."""
        self.words: dict[str, Row] = {}
        self.promised: dict[str, tuple[str, Row]] = {}
        """Postings the links of the running transaction promise: line → book and legs."""
        self.posted: dict[str, tuple[str, Row]] = {}
        """Postings of the running transaction."""

    # ── after every write ─────────────────────────────────────────────────────────────────────

    def wrote(self, was: Row | None, row: Row) -> None:
        """Check one change of what reconciliation keeps."""
        kind = row["sk"].partition("#")[0]
        if row["pk"].count(".") == 1:
            first = self.since.setdefault(row["sk"], row["since"])
            hold(first == row["since"], BEGUN, f"{row['sk']} began {first}, now {row['since']}")
        elif kind == "run":
            self._link(was, row)
        elif kind == "word":
            self._word(was, row)
        elif kind in {"day", "late"}:
            self._content(f"bank/reconcile/{self._place(row)}/{row['sk'].rpartition('#')[2]}")

    def house(self, was: Any) -> None:
        """The house's own book was put."""
        hold(was is None, BEGUN, "the house's book was put twice")

    def journal(self, row: Row) -> None:
        """A posting of a run or of a person's word was put."""
        self.posted[row["id"]] = row["pk"].split("#")[0], row["legs"]

    def committed(self) -> None:
        """A transaction is whole: a link books exactly what it decides, and nothing else does."""
        same = self.promised == self.posted
        hold(same, BOOKED, f"decided {self.promised}, booked {self.posted}")
        self.promised, self.posted = {}, {}

    @staticmethod
    def _place(row: Row) -> str:
        _, mode, source = row["pk"].split(".", 2)
        return f"{mode}/{source}"

    def _content(self, key: str) -> list[Row]:
        """The rows of an object that is named: it is there, and it is that one."""
        content = self.objects.get(key, b"")
        same = hashlib.sha256(content).hexdigest() == key.rpartition("/")[2]
        hold(same, CHAIN, f"{key} is missing or another")
        return [json.loads(line) for line in gzip.decompress(content).splitlines()]

    # ── links ─────────────────────────────────────────────────────────────────────────────────

    def _link(self, was: Row | None, row: Row) -> None:
        name, n = f"link {row['sk']}", int(row["sk"].removeprefix("run#"))
        hold(was is None, CHAIN, f"{name} changed")
        hold(n == len(self.chain) + 1, CHAIN, f"{name} is not the next")
        if self.chain:
            hold(self.chain[-1]["through"] <= row["through"], CHAIN, f"{name} goes back")
        found = self._content(row["key"])
        self.chain.append(row)
        decisions = [one["d"] for one in found if "d" in one]
        hold(len(decisions) == row["decided"], CHAIN, f"{name}: {row['decided']} decided")
        for one in decisions:
            self._ends(name, n, one)
        self.waiting = {one["i"]["item"]: one["i"] for one in found if "i" in one}
        both = self.waiting.keys() & self.decided.keys()
        hold(not both, ENDED, f"{name}: {both} wait, and are decided")
        self._promise(row, decisions)

    def _ends(self, name: str, n: int, one: Row) -> None:
        item = one["item"]
        hold(item not in self.decided, ENDED, f"{name}: {item} was decided before")
        self.decided[item] = one | {"run": n}
        for entry in one["entries"]:
            other = self.ended.setdefault(entry, item)
            hold(other == item, ENDED, f"{name}: entry {entry} ends {other} and {item}")
        if one["by"]:
            said = self.words.get(item, {}).get("word", {})
            same = said.get("reason") == one["reason"] and said.get("legs") == one["legs"]
            hold(same, SPOKEN, f"{name}: nobody said so of {item}")
        else:
            self._agrees(f"{name}: {item}", one)

    def _agrees(self, name: str, one: Row) -> None:
        """What matched is what the bank moved under the item's references, and was told."""
        about = self._stands_for(one["item"])
        hold(about, EQUAL, f"{name} stands for no payout")
        sum_minor = 0
        for entry in one["entries"]:
            line = self.statements.lines.get(entry)
            hold(line is not None, EQUAL, f"{name} is matched by {entry}, which is no movement")
            assert line is not None
            told = line.minor in self.statements.told.get(entry, ())
            hold(told, EQUAL, f"{name} is matched by {entry}, of which nobody told that")
            due = about.get((line.reference, line.minor > 0))
            what = f"{name} is matched by {line}, {about} are its transfers"
            hold(due == abs(line.minor), EQUAL, what)
            sum_minor += line.minor
        hold(sum_minor == one["found"], EQUAL, f"{name} is matched with {one['found']}")
        hold(one["legs"] is None, BOOKED, f"{name}: a payout is booked before it is matched")

    def _stands_for(self, item: str) -> dict[tuple[str, bool], int]:
        """Transfer, and whether it came → its amount: what an item may be made of."""
        for seal, payout in self._payouts():
            found = {transfer(seal, n): part["amount"] for n, part in enumerate(seal["parts"])}
            if item == _item(payout):
                return {(reference, False): minor for reference, minor in found.items()}
            for reference, minor in found.items():
                if item == _item(f"{reference}/back"):
                    return {(reference, True): minor}
                if item == _item(f"back/{reference}"):
                    return {(reference, True): minor, (reference, False): minor}
        return {}

    def _payouts(self) -> Iterator[tuple[Row, str]]:
        for chain in self.rules.seals.values():
            for seal in chain:
                if seal.get("parts"):
                    yield seal, str(PayoutId.of(Book.parse(seal["pk"]), seal["n"]))

    def _promise(self, row: Row, decisions: list[Row]) -> None:
        """The postings of a link: what matched in one, and each word's own."""
        _, mode, source = row["pk"].split(".", 2)
        house = Book(HOUSE, self.statements.scope.mode, "IRR").key
        total: dict[str, int] = {}
        for one in decisions:
            legs = one["legs"] or {}
            if one["by"] and legs:
                book = self.words[one["item"]]["word"]["book"] if PAYABLE in legs else house
                self.promised[f"m:{one['item']}"] = book, legs
            elif not one["by"]:
                for account, minor in legs.items():
                    total[account] = total.get(account, 0) + minor
        kept = {account: minor for account, minor in total.items() if minor}
        if kept:
            n = str(int(row["sk"].removeprefix("run#")))
            self.promised[f"m:{derived('rec_', 'run', mode, source, n)}"] = house, kept

    # ── people ────────────────────────────────────────────────────────────────────────────────

    def _word(self, was: Row | None, row: Row) -> None:
        item = row["sk"].removeprefix("word#")
        self.words[item] = row
        if was is not None and row["word"] != was["word"]:
            hold(was.get("refused"), SPOKEN, f"{item}: another word before the first was refused")
        if "run" in row:
            taken = self.decided.get(item, {}).get("run") == row["run"]
            hold(row["run"] == len(self.chain), SPOKEN, f"{item}: heard by no link")
            hold(taken is not row["refused"], SPOKEN, f"{item}: refused {row['refused']}")

    # ── when all is quiet ─────────────────────────────────────────────────────────────────────

    def unfinished(self) -> str | None:
        """What of reconciliation is not over yet."""
        unheard = (item for item, row in self.words.items() if "run" not in row)
        return next((f"a word on {item} is not heard" for item in unheard), None)

    def at_the_end(self) -> None:
        """Once a last statement told everything: all is matched, or a person is asked."""
        told = self.statements.all_in
        assert told is not None
        if not told:
            return
        hold(self.chain, CHAIN, "nothing was ever compared")
        for id in sorted(told):
            known = id in self.ended or any(id in one["entries"] for one in self.waiting.values())
            hold(known or self._not_yet(id), "13 everything ends", f"nothing became of line {id}")
        self._asked()
        for key in self.statements.unreadable:
            hold(self._known(f"report_unreadable#{key}"), TASKS, f"nobody asks about {key}")

    def _not_yet(self, id: str) -> bool:
        """Whether a line waits for the rest of its payout, or for the end of its day."""
        line = self.statements.lines[id]
        shown = {other.reference for other in self.statements.lines.values() if other.minor < 0}
        for seal, _ in self._payouts():
            names = {transfer(seal, n): part for n, part in enumerate(seal["parts"])}
            if line.reference not in names:
                continue
            part = names[line.reference]
            today = part["state"] == "returned" and _date(part["at"]) >= self.chain[-1]["through"]
            rest = (t for t, other in names.items() if other["state"] == "sent")
            return today or any(reference not in shown for reference in rest)
        return False

    def _asked(self) -> None:
        """Tasks are those of what waits, and what waits has its task, unless a person closed it."""
        files = self.rules.files
        assert files is not None
        wanted = {f"reconcile_{one['state']}#{item}" for item, one in self.waiting.items()}
        for task in wanted:
            hold(self._known(task), TASKS, f"nobody asks about {task}")
        open_ = {task for task in files.tasks if task.startswith("reconcile_")}
        left = open_ - wanted
        hold(not left, TASKS, f"{left} wait, and the statement shows everything")

    def _known(self, task: str) -> bool:
        """Whether a task waits, or was closed by a person."""
        files = self.rules.files
        assert files is not None
        return task in files.tasks or files.done.get(task, {}).get("note") == BY_HAND


def _item(name: str) -> str:
    return derived("rec_", "expected", SOURCE, name)


def _date(at_ms: int) -> str:
    at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return calendar.local(at, "IRR").date().isoformat()
