"""Only relays: streams of Payments and Settlement → events on the bus, new payouts → PayoutQueue.

In:    DynamoDB streams with old and new images
Out:   EventBridge, one typed event per state change; PayoutQueue {"payout": "po_…"} for a new
       seal that pays
Fails: raises, so that the stream's batch is read again; events have the same ids when told twice
"""

from typing import Any, Final

from payvand import events
from payvand.edge import log
from payvand.edge.wiring import wiring
from payvand.settlement import Seal
from payvand.store import payments, settlements
from payvand.store.table import Item, item_from_wire

SOURCE: Final = "payvand"
PUT_MAX: Final = 10
"""Entries PutEvents takes at once."""


class NotTaken(Exception):
    """The bus took part of a batch: all of it is told again."""


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Relay one batch."""
    with log.line(context):
        _relay(event["Records"])


def _relay(records: list[dict[str, Any]]) -> None:
    told: list[events.Event] = []
    made: list[Seal] = []
    for record in records:
        change = record["dynamodb"]
        if "NewImage" not in change:
            continue
        new = item_from_wire(change["NewImage"])
        old = item_from_wire(change["OldImage"]) if "OldImage" in change else None
        if new.get("id", "").startswith("pay_"):
            before = payments.from_item(old) if old else None
            told += events.of_payment(before, payments.from_item(new))
        elif new.get("sk", "").startswith("seal#"):
            seal = settlements.from_item(new)
            told += events.of_payout(_seal(old), seal)
            made += [] if old else [seal]
    _wake(made)
    _put(told)
    log.note(items=len(records), sent=len(told))
    for one in told:
        log.metric("Events." + one.type.rsplit(".", 1)[0])


def _wake(made: list[Seal]) -> None:
    """A seal's payout, and the shares it owes to referrers, are others' work."""
    payouts = [{"payout": str(seal.payout_id)} for seal in made if seal.parts]
    shares = [{"share": str(seal.payout_id)} for seal in made if seal.unshared]
    live = wiring()
    if payouts:
        live.queues.send_many(live.env["PAYOUT_QUEUE"], payouts)
    if shares:
        live.queues.send_many(live.env["SETTLE_QUEUE"], shares)


def _seal(old: Item | None) -> Seal | None:
    return settlements.from_item(old) if old else None


def _put(told: list[events.Event]) -> None:
    live = wiring()
    for start in range(0, len(told), PUT_MAX):
        entries = [
            {
                "Source": SOURCE,
                "DetailType": one.type,
                "Detail": one.model_dump_json(),
                "EventBusName": live.env["BUS"],
            }
            for one in told[start : start + PUT_MAX]
        ]
        answer = live.events.put_events(Entries=entries)
        if answer["FailedEntryCount"]:
            raise NotTaken(f"{answer['FailedEntryCount']} events")
