"""What banks say of payout files: read once, brought to the payouts in small messages."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from functions.payout_file.raised import raise_task
from payvand import outcomes
from payvand.bank import FormatError, Outcome, Verdict
from payvand.bank.doors import Door
from payvand.edge import log
from payvand.errors import Forged, Overtaken, Silence
from payvand.ids import PayoutId
from payvand.settlement import PayoutState, Seal
from payvand.store.clock import Moment
from payvand.store.payout_files import FileState, Lane, PayoutFile

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

SAID_MAX: Final = 20
"""Outcomes of one message: a few seconds of work."""
FILES_KNOWN: Final = 60
"""How many files back an answer may be about: a month of two a day."""
APPLY_TRIES: Final = 4
WHY_MAX: Final = 300
"""Of a reader's own words, which name a place and never a value."""
SILENT_MS: Final = 3 * 86_400_000
"""After so long without a final word on every payout a file is a person's."""
_FINAL: Final = frozenset({PayoutState.EXECUTED, PayoutState.RETURNED})
_DECIDES: Final = frozenset({Verdict.EXECUTED, Verdict.REJECTED, Verdict.RETURNED})


def ask(live: "Wiring", door: Door, file: PayoutFile, now: Moment) -> None:
    """Read a delivered file's own answer, if the door has such; close the file when all is said."""
    content, members = live.payout_files.content(file)
    try:
        said = door.answer(file.name, content, [str(id) for id in members])
    except Silence:
        said = None
    except (Forged, FormatError) as exc:
        log.metric("BankAnswersUnreadable")
        why = {"why": str(exc)[:WHY_MAX]}
        raise_task(live, file.lane, "bank_answer_unreadable", file.key, now.ms, why)
        return
    if said is not None:
        _spread(live, file.lane, said)
        _doubts(live, file.lane, said, now)
        _closed(live, file)
    elif now.ms - file.at_ms > SILENT_MS:
        if not all(_is_final(live, id) for id in members):
            raise_task(live, file.lane, "payout_file_unanswered", file.key, now.ms)
        _closed(live, file)


def _closed(live: "Wiring", file: PayoutFile) -> None:
    try:
        live.payout_files.mark(file, FileState.CLOSED)
    except Overtaken:
        return  # another run read the same
    log.metric("PayoutFilesClosed")


def _is_final(live: "Wiring", id: PayoutId) -> bool:
    seal = live.settlements.get(id.book, id.n)
    return seal is not None and all(part.state in _FINAL for part in seal.parts)


def unread(live: "Wiring", door: Door, lane: Lane) -> list[str]:
    """Files that were left for us and are not read yet."""
    keys = list(door.left())
    if not keys:
        return []
    before = live.payout_files.read_before(lane)
    return [key for key in keys if key not in before]


def read(live: "Wiring", door: Door, lane: Lane, key: str, now: Moment) -> None:
    """Read a file that was left for us. One nobody can read is a person's; it is not lost."""
    try:
        told = door.read(key)
    except FormatError as exc:
        log.metric("BankAnswersUnreadable")
        why = {"why": str(exc)[:WHY_MAX]}
        raise_task(live, lane, "bank_answer_unreadable", key, now.ms, why)
        live.payout_files.mark_read(lane, key, now.ms)
        return
    if told.problems:
        raise_task(live, lane, "bank_answer_doubtful", key, now.ms, {"problems": told.problems})
    said = list(told.outcomes)
    if told.rest is not None:
        said += _rest(live, lane, told.about, told.rest, {one.reference for one in said})
    _spread(live, lane, said)
    _doubts(live, lane, said, now)
    if told.statement:
        message = {"file": key, "source": "camt.053", "mode": lane.mode}
        live.queues.send(live.env["RECONCILE_QUEUE"], message)
    live.payout_files.mark_read(lane, key, now.ms)
    log.note(items=len(said), problems=told.problems)


def _rest(
    live: "Wiring", lane: Lane, about: str, rest: Outcome, named: set[str]
) -> Iterator[Outcome]:
    """A report's word on the transfers of its message that it does not name."""
    files = live.payout_files.newest(lane, FILES_KNOWN)
    file = next((file for file in files if about and file.message == about), None)
    if file is None:
        return
    for id in live.payout_files.content(file)[1]:
        seal = live.settlements.get(id.book, id.n)
        assert seal is not None, f"{id} has no seal"
        for n in range(len(seal.parts)):
            reference = seal.transfer(n)
            if reference not in named:
                yield Outcome(reference, rest.verdict, rest.code, rest.reason)


def _doubts(live: "Wiring", lane: Lane, said: Sequence[Outcome], now: Moment) -> None:
    """An explicit "I do not know" is asked about by a person, before anybody pays again."""
    for one in said:
        if one.verdict is Verdict.UNKNOWN:
            facts = {"code": one.code[:35]}
            raise_task(live, lane, "payout_in_doubt", one.reference, now.ms, facts)


def _spread(live: "Wiring", lane: Lane, said: Sequence[Outcome]) -> None:
    """Send what decides something on, a few payouts at a time."""
    told = [asdict(one) for one in said if one.verdict in _DECIDES and _payout(one.reference)]
    messages = [
        {"lane": lane.key, "said": told[start : start + SAID_MAX]}
        for start in range(0, len(told), SAID_MAX)
    ]
    live.queues.send_many(live.env["PAYOUT_FILE_QUEUE"], messages)


def _payout(reference: str) -> PayoutId | None:
    """The payout a transfer is part of; None for another's reference."""
    try:
        return PayoutId.parse(reference.partition("-")[0])
    except ValueError:
        return None


def apply(live: "Wiring", lane: Lane, said: Sequence[dict[str, Any]], now: Moment) -> None:
    """Bring outcomes into the books. Said again they change nothing."""
    for fields in said:
        one = Outcome(**{**fields, "verdict": Verdict(fields["verdict"])})
        id = _payout(one.reference)
        if id is None or id.book.mode != lane.mode or id.book.currency != lane.currency:
            log.metric("BankAnswersForeign")
            continue
        _apply(live, id, one, now)


def _apply(live: "Wiring", id: PayoutId, one: Outcome, now: Moment) -> Seal | None:
    for _ in range(APPLY_TRIES):
        seal = live.settlements.get(id.book, id.n)
        if seal is None or seal.file is None:
            log.metric("BankAnswersForeign")  # no file of ours carried it
            return None
        try:
            return outcomes.apply(live, seal, one, now.ms)
        except Overtaken:
            continue  # another run took a step: see which
    raise Overtaken(f"what was said of {id} could not be booked")


def withdraw(live: "Wiring", lane: Lane, id: PayoutId, now: Moment) -> None:
    """Take a payout back that waits for a file. One that left is the bank's to answer for."""
    log.note(payout=str(id))
    seal = live.settlements.get(id.book, id.n)
    if seal is None or seal.state is not PayoutState.NEW or Lane.of(seal) != lane:
        log.note(answer="not waiting")
        return
    try:
        outcomes.withdraw(live, seal, now.ms)
    except Overtaken:
        log.note(answer="left")
        return
    live.payout_files.waits_no_more([id], lane)
    log.note(answer="withdrawn")
