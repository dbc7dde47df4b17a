"""The file door to a bank: an order it fetches, an answer it leaves (docs/channels/bank-files.md).

The bucket can be a bank's or operator's SFTP home (AWS Transfer Family). One payout is one file
whose
name is its reference, so that an order written twice is the same file. A bank executes a
reference once.
"""

import json
from dataclasses import dataclass
from typing import Literal

from payvand.calendar import rfc3339
from payvand.settlement import Seal

VERSION = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bank said. `rejected` and `returned`: the merchant has no money from it."""

    status: Literal["executed", "rejected", "returned"]
    code: str
    reason: str
    bank_reference: str


def order(seal: Seal, iban: str) -> bytes:
    """The order file of a payout: the same bytes on every try."""
    fields = {
        "version": VERSION,
        "reference": str(seal.payout_id),
        "created_at": rfc3339(seal.at_ms),
        "currency": seal.book.currency,
        "amount": seal.payout_minor,
        "iban": iban,
        "name": seal.payee,
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()


def read_answer(seal: Seal, content: bytes) -> Answer | None:
    """The answer to a payout, or None when it decides nothing (unreadable, or about another)."""
    try:
        fields = json.loads(content)
    except ValueError:
        return None
    if (
        not isinstance(fields, dict)
        or fields.get("version") != VERSION
        or fields.get("reference") != str(seal.payout_id)
    ):
        return None
    status = fields.get("status")
    if status not in {"executed", "rejected", "returned"}:
        return None
    texts = {name: str(fields.get(name, ""))[:200] for name in ("code", "reason", "bank_reference")}
    return Answer(status, **texts)
