"""SQS worker: payouts that leave in files of many, and what banks answer.

In:    PayoutFileQueue, from PayoutFileSchedule {"tick": true}, or
       {"lane": key}: make the lane's next file, hand over what is written, ask about what is sent,
       look for files that were left for us
       {"lane": key, "read": object key}: read one of these
       {"lane": key, "said": [outcomes]}: bring them into the books
       {"lane": key, "withdraw": payout id}: take a payout back that did not leave yet
Out:   payout files at the bank's door; the parts' states; what came back booked back in one
       transaction; operator tasks
Fails: seen again, then PayoutFileDeadQueue (alarm); every tick takes up what an earlier one left
"""

from typing import TYPE_CHECKING, Final

from functions.payout_file import assemble, replies
from functions.payout_file.raised import raise_task
from payvand import calendar
from payvand.bank.doors import Door, NotConfigured
from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.ids import MODES, PayoutId
from payvand.store.clock import Moment
from payvand.store.payout_files import FileState, Lane

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

FILES_WATCHED: Final = 30
"""How many files back a tick looks for one that is not closed."""


def lanes() -> list[Lane]:
    """Every lane of files, of today's profiles and those before."""
    ways = dict.fromkeys(
        (name, version.door)
        for name, currency in calendar.currencies().items()
        for version in currency.profiles
        if version.door != "json"
    )
    return [Lane(mode, name, door) for name, door in ways for mode in MODES]


def work(delivery: Delivery) -> None:
    """Take one lane, file or set of outcomes a step further."""
    live, message = wiring(), delivery.message
    if "tick" in message:
        messages = [{"lane": lane.key} for lane in lanes()]
        live.queues.send_many(live.env["PAYOUT_FILE_QUEUE"], messages)
        return
    lane = Lane.parse(message["lane"])
    log.note(lane=lane.key, mode=lane.mode, tries=delivery.tries)
    now = live.clock.now(lane.mode)
    if "said" in message:
        replies.apply(live, lane, message["said"], now)
        return
    if "withdraw" in message:
        replies.withdraw(live, lane, PayoutId.parse(message["withdraw"]), now)
        return
    try:
        if "read" in message:
            door = live.doors.get(lane.mode, lane.currency, lane.door)
            replies.read(live, door, lane, message["read"], now)
        else:
            _turn(live, lane, now)
    except NotConfigured as lack:  # payouts wait; nothing is lost
        log.note(answer="not configured")
        raise_task(live, lane, "bank_not_configured", lane.key, now.ms, {"why": str(lack)})


def _turn(live: "Wiring", lane: Lane, now: Moment) -> None:
    assemble.assemble(live, lane, now)
    files = live.payout_files.newest(lane, FILES_WATCHED)
    if not files:
        return
    door: Door = live.doors.get(lane.mode, lane.currency, lane.door)
    for file in reversed(files):
        if file.state is FileState.WRITTEN:
            assemble.deliver(live, door, file, now)
        elif file.state is FileState.SENT:
            replies.ask(live, door, file, now)
    messages = [{"lane": lane.key, "read": key} for key in replies.unread(live, door, lane)]
    live.queues.send_many(live.env["PAYOUT_FILE_QUEUE"], messages)


lambda_handler = worker(work)
