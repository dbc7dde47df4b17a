"""The file door to a bank: an order it fetches, an answer it leaves (docs/channels/bank-files.md).

The bucket can be a bank's or operator's SFTP home (AWS Transfer Family). One transfer is one file
whose name is its reference, so that an order written twice is the same file. A bank executes a
reference once.
"""

import json
from typing import Final

from payvand.bank import Outcome, Verdict
from payvand.calendar import rfc3339
from payvand.settlement import Seal

VERSION = 1


_VERDICTS: Final = {
    "executed": Verdict.EXECUTED,
    "rejected": Verdict.REJECTED,
    "returned": Verdict.RETURNED,
}


def order(seal: Seal, n: int, iban: str) -> bytes:
    """The order file of one part of a payout: the same bytes on every try."""
    part = seal.parts[n]
    fields = {
        "version": VERSION,
        "reference": seal.transfer(n),
        "created_at": rfc3339(seal.at_ms),
        "currency": seal.book.currency,
        "amount": part.amount_minor,
        "iban": iban,
        "name": part.name,
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()


def read_answer(reference: str, content: bytes) -> Outcome | None:
    """The answer to an order, or None when it decides nothing (unreadable, or about another)."""
    try:
        fields = json.loads(content)
    except ValueError:
        return None
    if (
        not isinstance(fields, dict)
        or fields.get("version") != VERSION
        or fields.get("reference") != reference
    ):
        return None
    status = fields.get("status")
    if not isinstance(status, str) or status not in _VERDICTS:
        return None
    texts = {name: str(fields.get(name, ""))[:200] for name in ("code", "reason", "bank_reference")}
    return Outcome(reference, _VERDICTS[status], **texts)
