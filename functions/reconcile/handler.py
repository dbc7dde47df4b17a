"""SQS worker: what banks and channels say happened, compared with what the books expect.

In:    ReconcileQueue, from ReconcileSchedule {"tick": true}: every source, because what does not
       come is told by no file; or
       {"file": key, "source": "stripe:acct_1" | "camt.053" | …, "mode": "test" | "live"}; or
       {"run": source, "mode": …, "through": date or absent}
Out:   entries kept once under bank/reconcile/; a link in the source's chain; the journal of what
       matched, in the house's book; a task for each item that does not agree
Fails: seen again, then ReconcileDeadQueue (alarm); a file that cannot be read is a task, not a
       failure
"""

import datetime as dt
from typing import TYPE_CHECKING, Any

from functions.reconcile.read import read_file
from functions.reconcile.run import reconcile_source
from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.ids import MODES
from payvand.store.reconciliations import Scope

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring


def wake(delivery: Delivery) -> None:
    """Read a file, compare one source, or wake all of them."""
    live, message = wiring(), delivery.message
    if "tick" in message:
        _wake_all(live)
        return
    scope = Scope.of(message.get("mode", "live"), message.get("source") or message.get("run"))
    log.note(mode=scope.mode, tries=delivery.tries)
    if "file" in message:
        _read(live, scope, message["file"])
    else:
        through = message.get("through")
        reconcile_source(live, scope, dt.date.fromisoformat(through) if through else None)


def _read(live: "Wiring", scope: Scope, key: str) -> None:
    if read_file(live, scope, key):
        run: dict[str, Any] = {"run": scope.source, "mode": scope.mode}
        live.queues.send(live.env["RECONCILE_QUEUE"], run)


def _wake_all(live: "Wiring") -> None:
    runs = [
        {"run": source, "mode": mode}
        for mode in MODES
        for source in live.reconciliations.sources(mode)
    ]
    live.queues.send_many(live.env["RECONCILE_QUEUE"], runs)
    log.note(sent=len(runs))


lambda_handler = worker(wake)
