"""Who does what in a schedule: shops, payers, channels that fail, operators, and people who cheat.

Everything they will do is drawn from the seed before the first step, as a list of wishes with
names; a schedule can be run again with any of them left out.
"""

import datetime as dt
import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from functions.checkout import handler as checkout
from functions.payment_init import handler as init
from functions.payment_status import handler as status
from functions.psp_callback import handler as callback
from functions.refund import handler as refund
from payvand import calendar
from payvand.edge.api import Response
from payvand.errors import NotFound
from payvand.fee import FeePlan
from payvand.ids import Book, Mode, PaymentId, PayoutId, merchant_id
from payvand.merchant import Contract, Merchant, Payee
from payvand_cli import reconcile
from payvand_cli.simulate.engine import DAY_MS, HOUR_MS, LATE_MS, Draws, Fault, Mood
from payvand_cli.simulate.parties import PROFILES, SimulatedChannel
from payvand_cli.simulate.rules import day_of, hold
from payvand_cli.simulate.world import ByFile, Shape, World, doors

if TYPE_CHECKING:
    from payvand_cli.simulate.shrink import Schedule

STARTS: Final = (
    dt.datetime(2026, 5, 4, 6, tzinfo=dt.UTC),  # a Monday
    dt.datetime(2026, 5, 7, 6, tzinfo=dt.UTC),  # a Thursday: the day after is closed
    dt.datetime(2026, 3, 18, 6, tzinfo=dt.UTC),  # the days before Nowruz
    dt.datetime(2026, 12, 30, 6, tzinfo=dt.UTC),
)
CALM_DAYS: Final = 14
"""More days than settlement can be closed in a row, and one for what comes back after them."""
MINUTE_MS: Final = 60_000
EDGE_FAULTS: Final = (Fault.LATE, Fault.FREEZE, Fault.FREEZE, Fault.DIE_AFTER, Fault.ANSWER_LOST)
PARTITION_FAULTS: Final = (Fault.LATE, Fault.FREEZE)
STAYS_MS: Final = (4_000, 40_000, 400_000, 1_100_000)
EDGE_STAYS_MS: Final = (1_000, 4_000, 40_000, 200_000, 600_000)
"""How long a payer is at a channel."""
EDGE_LATE_MS: Final = (20_000, 30 * MINUTE_MS, 50 * MINUTE_MS, 5 * HOUR_MS, 26 * HOUR_MS)
RETRIES_MS: Final = (20_000,) * 8 + (30 * MINUTE_MS, 11 * HOUR_MS)
"""How long a shop waits before it sends a create again; some do it by hand, much later."""
FENCE_MS: Final = calendar.GRACE_S * 1000
"""From a cut-off to the moment its day is closed: the other place where everything meets."""
BEYOND_GRACE_MS: Final = 60 * MINUTE_MS
AMOUNTS: Final = (1_000, 250_000, 4_999_990, 5_000_000, 5_000_010, 90_000_000)
"""Rials: the least, usual ones, and those around the cap of the fee."""
BY_FILE_PER_MILLE: Final = 220
COVERED_PER_MILLE: Final = 150
RECONCILED_PER_MILLE: Final = 80
RIVALS_PER_MILLE: Final = 40
RETURNS: Final = (0, 1, 1, 1, 1, 2, 3)
"""How often a payer's browser comes back."""
SPLITS: Final = ((), (), ((40_000, 0),), ((0, 2_500),), ((3_000, 0), (0, 5_000)))
"""What payees beside the main one get: a fixed amount, basis points of what is left."""
MINIMA: Final = (0, 0, 0, 400_000, 6_000_000)
RESERVES: Final = ((0, 0), (0, 0), (0, 0), (1_000, 2))
ALL_FAULTS: Final = tuple(Fault)
ODDITIES: Final = ("clock skew", "repeats", "lost timers")
"""What else a schedule can be run without."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something somebody will do."""

    name: str
    at_ms: int
    do: Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment somebody wants, and how its payer behaves."""

    n: int
    shop: Merchant
    amount: int
    channel: str | None
    seed: int


# ── drawing a schedule ────────────────────────────────────────────────────────────────────────


def mood(draws: Draws, fault_rate: float | None, *, edge: bool) -> Mood:
    """How rough a schedule is: most are rough in a few ways only, so that deep states are met.

    On the edge, faults aim at the money writes around the cut-off and last past the fence.
    """
    kinds = tuple(kind for kind in ALL_FAULTS if draws.chance(550)) or ALL_FAULTS
    rate = draws.pick((0, 10, 30, 30, 80)) if fault_rate is None else round(fault_rate * 1000)
    aimed = draws.pick((0, 100, 450)) if fault_rate is None else rate
    on_edge = edge and fault_rate is None
    if on_edge:
        kinds, rate, aimed = EDGE_FAULTS, draws.pick((0, 10)), 450
    partitions = on_edge and draws.chance(600)
    if partitions:
        kinds = PARTITION_FAULTS
    skews_ms = (0, 0, 2_000, 50_000, 900_000)
    return Mood(
        fault_per_mille=rate,
        kinds=kinds,
        aimed_per_mille=aimed,
        skew_ms=draws.pick((*skews_ms, BEYOND_GRACE_MS) if edge else skews_ms),
        repeats_per_mille=draws.pick((0, 20, 20) if edge else (0, 20, 100)),
        timers_lost_per_mille=draws.pick((0, 0, 600) if edge else (0, 0, 0, 0, 300)),
        delays_ms=EDGE_LATE_MS if edge else LATE_MS,
        partitions=partitions,
    )


def shape(draws: Draws, profile: str, *, edge: bool) -> Shape:
    """How big a schedule is."""
    start = draws.pick((*STARTS[:1] * 4, *STARTS))
    start_ms = int(start.timestamp() * 1000)
    days = 1 + draws.chance(300)
    channels = (profile,) if profile in PROFILES else PROFILES
    mode: Mode = "test" if draws.chance(250) else "live"
    shops = tuple(
        Merchant(
            id=merchant_id(100 + n),
            name=f"shop {n}",
            since=day_of(start_ms) - dt.timedelta(1),
            contracts=tuple(Contract(c) for c in channels),
            modes=(mode,),
            shards=1 + (n == 0 and draws.chance(400)),
            payees=_payees(n, 0),
        )
        for n in range(1 + draws.chance(300))
    )
    return Shape(
        mode, shops, channels, start_ms, start_ms + days * 24 * HOUR_MS, draws.chance(500), edge
    )


def in_files(shape: Shape, seed: int, profile: str) -> Shape:
    """The same schedule with payouts in files of many, for merchants of more kinds; or as it is.

    Drawn apart, so that the schedules without files are what they were.
    """
    draws = Draws(seed, "by file")
    if not draws.chance(BY_FILE_PER_MILLE) and profile != "files":
        return shape
    shops = shape.shops
    if len(shops) == 1 and draws.chance(500):
        other = replace(shops[0], id=merchant_id(101), name="shop 1", shards=1)
        shops = (*shops, replace(other, payees=_payees(1, 0)))
    late = draws.chance(60)
    ways = ByFile(draws.pick((0, 0, 0, 1)), shape.busy_until_ms if late else 0)
    made = tuple(_of_a_kind(draws, n, shop, shops) for n, shop in enumerate(shops))
    return replace(shape, shops=made, by_file=ways)


def refusing(shape: Shape, seed: int, profile: str) -> Shape:
    """The same schedule for merchants whose refunds their balance must cover; or as it is."""
    if not Draws(seed, "covered").chance(COVERED_PER_MILLE) and profile != "covered":
        return shape
    return replace(shape, shops=tuple(replace(shop, refunds="refuse") for shop in shape.shops))


def reconciled(shape: Shape, seed: int, profile: str) -> Shape:
    """The same schedule, and somebody who keeps a table of the bank account; or as it is."""
    if not Draws(seed, "reconciled").chance(RECONCILED_PER_MILLE) and profile != "books":
        return shape
    return replace(shape, reconciled=True)


def rivals(shape: Shape, seed: int, profile: str) -> Shape:
    """The same schedule where payers pay in every tab and nothing is reversed; or as it is."""
    if not Draws(seed, "rivals").chance(RIVALS_PER_MILLE) and profile != "rivals":
        return shape
    return replace(shape, rivals=True)


def _of_a_kind(draws: Draws, n: int, shop: Merchant, shops: tuple[Merchant, ...]) -> Merchant:
    reserve = draws.pick(RESERVES)
    brought = n == 0 and len(shops) > 1 and draws.chance(700)
    plan = FeePlan(
        bearer="payer" if draws.chance(200) else "merchant",
        referrer=shops[1].id if brought else None,
    )
    return replace(
        shop,
        payees=_payees(n, 0, draws.pick(SPLITS)),
        minimum_payout_minor=draws.pick(MINIMA),
        reserve_basis_points=reserve[0],
        reserve_days=reserve[1],
        fee_plan=plan,
    )


def _payees(n: int, version: int, others: tuple[tuple[int, int], ...] = ()) -> tuple[Payee, ...]:
    main = Payee(_sealed(n, version), "0000", f"shop {n}")
    more = (
        Payee(_sealed(n, version, i), "0000", f"payee {i} of {n}", amount, points)
        for i, (amount, points) in enumerate(others, 1)
    )
    return (main, *more)


def _sealed(n: int, version: int, payee: int = 0) -> bytes:
    return f"kms:IR{n:02d}{payee}{version:021d}|{merchant_id(100 + n)}".encode()


def wishes(draws: Draws, shape: Shape) -> list[Wish]:
    """Everything that people and outages will do."""
    found = _payments(draws, shape) + _file_wishes(draws, shape)
    for n in range(draws.below(3)):
        book = Book(draws.pick(shape.shops).id, shape.mode, "IRR")
        ahead = draws.below(3) - 1
        cut = draws.pick(_cut_offs(shape))
        at = cut + 19 * MINUTE_MS + draws.below(3 * MINUTE_MS)
        if shape.edge and draws.chance(400):  # by a host, perhaps, whose clock is ahead
            at = cut - 8 * MINUTE_MS + draws.below(8 * MINUTE_MS)
        found.append(Wish(f"settle {n}", at, partial(_settle, book.key, ahead)))
    if draws.chance(400 if shape.edge else 250):
        channel = draws.pick(shape.channels)
        longest = 60 * MINUTE_MS if shape.edge else 15 * MINUTE_MS
        at, long = _moment(draws, shape), draws.below(longest)
        found.append(Wish("outage", at, partial(_outage, channel, long)))
    if draws.chance(400 if shape.edge else 150):
        at = _moment(draws, shape)
        if shape.edge:  # while payouts are on their way
            at = draws.pick(_cut_offs(shape)) + FENCE_MS + draws.below(40 * MINUTE_MS)
        found.append(Wish("another account", at, partial(_iban, 0)))
    if draws.chance(200):
        found.append(Wish("redrive", _moment(draws, shape), _redrive))
    for n in range(draws.below(3) if shape.mode == "test" else 0):
        hours = 1 + draws.below(20)
        found.append(Wish(f"jump {n}", _moment(draws, shape), partial(_jump, hours)))
    return found


def _covered_wishes(shape: Shape, seed: int) -> list[Wish]:
    """Where refunds must be covered: all are asked for at once, most of them around a closing."""
    if shape.shops[0].refunds != "refuse":
        return []
    draws = Draws(seed, "all back")
    found = []
    for n in range(2):
        at = draws.pick(_cut_offs(shape)) + FENCE_MS - draws.below(MINUTE_MS)
        if draws.chance(400):
            at = shape.start_ms + draws.below(shape.busy_until_ms - shape.start_ms)
        found.append(Wish(f"all back {n}", at, partial(_all_back, n)))
    return found


def _book_wishes(shape: Shape, seed: int, *, many: bool) -> list[Wish]:
    """What is handed in and decided about the account, and what wakes its comparison."""
    if not shape.reconciled:
        return []
    draws = Draws(seed, "kept by hand")

    def after_payouts() -> int:
        """Mostly while payouts are on their way, else any time of the night and day after."""
        longest = draws.pick((50 * MINUTE_MS, 3 * HOUR_MS, 20 * HOUR_MS))
        return draws.pick(_cut_offs(shape)) + 25 * MINUTE_MS + draws.below(longest)

    found = [
        Wish(f"charge {n}", after_payouts(), partial(_charge, n)) for n in range(draws.below(3))
    ]
    for n in range(1 + (draws.below(4) if many else draws.chance(300))):
        at = after_payouts()
        found.append(Wish(f"statement {n}", at, partial(_statement, n)))
        if draws.chance(300):  # while its file is read
            found.append(Wish(f"books tick {n}", at + draws.below(2_000), World.tick_books))
        if draws.chance(600):
            at += draws.pick((3_000, 20_000, HOUR_MS)) + draws.below(20_000)
            both = 1 + draws.chance(400)
            if many and draws.chance(200):  # by hosts, perhaps, that differ about the day
                at = (at // DAY_MS + 1) * DAY_MS + draws.below(MINUTE_MS) - MINUTE_MS // 2
                both = 2
            found.append(Wish(f"decision {n}", at, partial(_decide, n, both)))
    mornings = range(draws.below(3 if many else 1))
    found += [Wish(f"books morning {n}", after_payouts(), World.tick_books) for n in mornings]
    return found


def _file_wishes(draws: Draws, shape: Shape) -> list[Wish]:
    found: list[Wish] = []
    if shape.by_file is None:
        return found
    for n in range(draws.pick((0, 0, 1))):
        at = draws.pick(_cut_offs(shape)) + FENCE_MS + draws.below(50 * MINUTE_MS)
        found.append(Wish(f"taken back {n}", at, _withdraw))
    for n in range(draws.below(4)):
        at = draws.pick(_cut_offs(shape)) + HOUR_MS + draws.below(16 * HOUR_MS)
        found.append(Wish(f"operator {n}", at, _close_tasks))
    return found


def _payments(draws: Draws, shape: Shape) -> list[Wish]:
    found: list[Wish] = []
    for n in range(draws.pick((1, 1, 2, 2, 3))):
        shop = draws.pick(shape.shops)
        channel = draws.pick(shape.channels) if draws.chance(500) else None
        payment = Payment(n, shop, draws.pick(AMOUNTS), channel, draws.bits())
        found.append(Wish(f"payment {n}", _moment(draws, shape), partial(_shop, payment)))
        if draws.chance(60):
            found.append(
                Wish(f"payment {n} again", found[-1].at_ms + draws.below(3) * 20, found[-1].do)
            )
    return found


def _cut_offs(shape: Shape) -> tuple[int, ...]:
    first = day_of(shape.start_ms)
    days = (shape.busy_until_ms - shape.start_ms) // (24 * HOUR_MS)
    return tuple(
        int(calendar.cut_off(first + dt.timedelta(n), "IRR").timestamp() * 1000)
        for n in range(days)
    )


def hot(shape: Shape) -> tuple[tuple[int, int], ...]:
    """When aimed faults strike: around every cut-off."""
    until = 100 if shape.by_file else 60
    return tuple((cut - 10 * MINUTE_MS, cut + until * MINUTE_MS) for cut in _cut_offs(shape))


def _moment(draws: Draws, shape: Shape) -> int:
    """Any time of the busy days, most often near a cut-off."""
    if shape.edge:  # so that the payer is back, and the money booked, around it
        from_ms = draws.pick((-9 * MINUTE_MS, -9 * MINUTE_MS, FENCE_MS - 3 * MINUTE_MS))
        return draws.pick(_cut_offs(shape)) + from_ms + draws.below(19 * MINUTE_MS // 2)
    if draws.chance(600):
        return draws.pick(_cut_offs(shape)) - 14 * MINUTE_MS + draws.below(36 * MINUTE_MS)
    return shape.start_ms + draws.below(shape.busy_until_ms - shape.start_ms - 2 * HOUR_MS)


# ── shops ─────────────────────────────────────────────────────────────────────────────────────


def _shop(payment: Payment, world: World) -> None:
    """Make a payment; sent again while no answer comes; then the payer is led to it."""
    draws = Draws(payment.seed, "shop")
    order = f"order {payment.n}"
    body = _order(payment, order, world, patient=world.shape.edge and draws.chance(300))
    headers = {"idempotency-key": f"key-{payment.n}"} if draws.chance(300) else {}
    answer = None
    for _ in range(4):
        answer = world.http(
            init.post,
            "POST",
            {},
            shop=payment.shop.id,
            headers=headers,
            body=json.dumps(body).encode(),
            subject=order,
        )
        if answer is not None and answer.status in {201, 409}:
            break
        world.engine.sleep(3_000 + draws.below(draws.pick(RETRIES_MS)))
    if answer is None or answer.status != 201:
        return
    id: str = json.loads(answer.body)["id"]
    world.handed.add(id)
    for tab in range(1 + draws.chance(250)):
        payer = partial(_payer, payment, id, tab, world)
        world.engine.spawn(f"payer {payment.n}.{tab}", payer, draws.below(30_000), ours=False)
    if draws.chance(800 if world.shape.edge else 450):
        work = partial(_refunds, payment, id, world)
        world.engine.spawn(f"refunds {payment.n}", work, draws.below(HOUR_MS // 6), ours=False)
    if draws.chance(150):
        world.engine.spawn(
            f"stranger {payment.n}", partial(_stranger, id, world), 2_000, ours=False
        )


def _order(payment: Payment, order: str, world: World, *, patient: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "amount": payment.amount,
        "currency": "IRR",
        "reference": order,
        "return_url": "https://shop.example/back",
    }
    if payment.channel is not None:
        body["channel"] = payment.channel
        body["fallback_channels"] = [c for c in world.shape.channels if c != payment.channel]
    if patient:
        body["expires_in_s"] = 7_200
    return body


def _refunds(payment: Payment, id: str, world: World) -> None:
    """Give money back once it came: in parts, twice at once, too much, around the cut-off."""
    draws = Draws(payment.seed, "refunds")
    if world.shape.edge or draws.chance(500):
        cut = draws.pick(_cut_offs(world.shape)) + draws.pick((0, FENCE_MS))
        cut += draws.below(3 * MINUTE_MS) - 2 * MINUTE_MS
        world.engine.sleep(max(0, cut - world.engine.now_ms))
    for _ in range(6):
        row = world.rules.payments.get(id)
        if row is not None and row["status"] == "executed":
            break
        world.engine.sleep(4 * MINUTE_MS)
    for n in range(1 + draws.below(3)):
        amount = draws.pick((None, payment.amount, payment.amount // 2, payment.amount // 3))
        work = partial(_refund, id, f"refund-{n}", amount, world)
        world.engine.spawn(f"refund {payment.n}.{n}", work, draws.below(3) * 700, ours=False)
        if draws.chance(300):
            world.engine.spawn(f"refund {payment.n}.{n}", work, draws.below(500), ours=False)


def _refund(id: str, key: str, amount: int | None, world: World) -> None:
    body = {} if amount is None else {"amount": amount}
    for _ in range(4):
        answer = world.http(
            refund.post,
            "POST",
            {"id": id},
            shop=PaymentId.parse(id).book.merchant_id,
            headers={"idempotency-key": key},
            body=json.dumps(body).encode(),
            subject=f"{id} {key}",
        )
        if answer is not None and answer.status < 500:
            return
        me = world.engine.process
        assert me is not None
        world.engine.sleep(
            2_000 + me.draws.below(100 * MINUTE_MS if me.draws.chance(100) else 9_000)
        )


def _all_back(n: int, world: World) -> None:
    """Everything is given back in one moment: each refund is covered, not all of them."""
    draws = Draws(world.engine.seed, f"all back {n}")
    for id, row in list(world.rules.payments.items()):
        if row["status"] == "executed":
            work = partial(_refund, id, f"back-{n}", None, world)
            world.engine.spawn(f"back {n} {id}", work, draws.below(500), ours=False)


def _stranger(id: str, world: World) -> None:
    """Another merchant reads, refunds and pays with what it has guessed."""
    others = [shop for shop in world.shape.shops if not id_belongs(id, shop)]
    for shop in others:
        seen = world.http(status.get_one, "GET", {"id": id}, shop=shop.id, subject=f"stranger {id}")
        hold(seen is None or seen.status in {404, 503}, "16 nobody crosses", f"{id} was shown")
        given = world.http(
            refund.post, "POST", {"id": id}, shop=shop.id, body=b"{}", subject=f"stranger {id}"
        )
        hold(given is None or given.status in {404, 503}, "16 nobody crosses", f"{id} was refunded")


def id_belongs(id: str, shop: Merchant) -> bool:
    """Whether a payment is this shop's."""
    return PaymentId.parse(id).book.merchant_id == shop.id


# ── payers ────────────────────────────────────────────────────────────────────────────────────


def _payer(payment: Payment, id: str, tab: int, world: World) -> None:
    """Choose a channel, pay there or not, and come back: once, twice, late, or never."""
    draws = Draws(payment.seed, f"payer {tab}")
    led = _led(payment, id, draws, world)
    if led is None:
        return
    channel, token = led
    stays = EDGE_STAYS_MS if world.shape.edge else STAYS_MS
    world.engine.sleep(draws.pick(stays) + draws.below(30_000))
    claim = _at_the_channel(draws, channel, token, payment)
    back = partial(_comes_back, id, channel, token, claim, world)
    for _ in range(draws.pick((0, 1, 2, 2, 2, 3, 3) if world.shape.rivals else RETURNS)):
        delay_ms = draws.below(draws.pick((100, 2_000)))
        world.engine.spawn(f"return {payment.n}.{tab}", back, delay_ms, ours=False)
    if tab < 2 and draws.chance(600 if claim == "NOK" or world.shape.rivals else 150):
        # another tab chooses while the first is on its way back
        other = partial(_payer, payment, id, tab + 2, world)
        world.engine.spawn(f"payer {payment.n}.{tab + 2}", other, draws.below(300), ours=False)
    if draws.chance(50):
        world.http(checkout.cancel, "POST", {"id": id}, subject=f"cancel {id}")


def _led(
    payment: Payment, id: str, draws: Draws, world: World
) -> tuple[SimulatedChannel, str] | None:
    """Through the hosted page to a channel's session."""
    for _ in range(3):
        if payment.channel is not None and draws.chance(850):
            answer = world.http(checkout.get, "GET", {"id": id}, subject=id)
        else:
            form = urlencode({"channel": draws.pick(world.shape.channels)}).encode()
            answer = world.http(checkout.post, "POST", {"id": id}, body=form, subject=id)
        found = _session(answer, world)
        if found is not None:
            return found
        world.engine.sleep(5_000)
    return None


def _session(answer: Response | None, world: World) -> tuple[SimulatedChannel, str] | None:
    where = answer.headers.get("Location", "") if answer is not None else ""
    for channel in world.channels.values():
        prefix = f"https://{channel.name}.example/"
        if where.startswith(prefix):
            return channel, where.removeprefix(prefix)
    return None


def _at_the_channel(draws: Draws, channel: SimulatedChannel, token: str, payment: Payment) -> str:
    """What the payer does there; what the return will claim."""
    done = draws.below(100)
    if done < 74:
        channel.pay(token)
        return "OK"
    if done < 78:
        channel.pay(token, minor=payment.amount + draws.pick((-10, 10, 1_000_000)))
        return "OK"
    if done < 83 and not channel.binds_reference:
        channel.show_old_receipt(token)
        return "OK"
    if done < 91:
        channel.refuse(token)
        return "NOK"
    return draws.pick(("OK", "NOK", ""))  # a payer who did nothing, and says anything


def _comes_back(id: str, channel: SimulatedChannel, token: str, claim: str, world: World) -> None:
    world.http(
        callback.come_back,
        "GET",
        {"channel": channel.name},
        query={"payment": id, "Authority": token, "Status": claim},
        subject=token,
    )


# ── outages and operators ─────────────────────────────────────────────────────────────────────


def _settle(book: str, ahead: int, world: World) -> None:
    """Somebody runs settlement by hand, perhaps for a day that is not over."""
    through = day_of(world.engine.now_ms) + dt.timedelta(ahead)
    world.queues.put("settle", json.dumps({"book": book, "through": through.isoformat()}), 0)


def _outage(channel: str, long_ms: int, world: World) -> None:
    world.channels[channel].silent = (world.engine.now_ms, world.engine.now_ms + long_ms)


def _iban(n: int, world: World) -> None:
    """A merchant gives another account: payouts already ordered keep theirs."""
    shop = world.shape.shops[n]
    others = tuple((payee.amount_minor, payee.basis_points) for payee in shop.payees[1:])
    world.put_shop(replace(shop, payees=_payees(n, 1, others)))


def _withdraw(world: World) -> None:
    """An operator takes a payout back that waits, or has just left."""
    books = ((book, seal) for book, chain in world.rules.seals.items() for seal in chain[-1:])
    for book, seal in books:
        message = {
            "lane": f"{world.shape.mode}.IRR.csv",
            "withdraw": str(PayoutId.of(Book.parse(book), seal["n"])),
        }
        world.queues.put("payout_file", json.dumps(message), 0)


def _close_tasks(world: World) -> None:
    """An operator closes what waits, on a host that may fail between two steps."""

    def close() -> None:
        tasks, mode = doors().tasks, world.shape.mode
        for task in list(tasks.waiting(mode)):
            with suppress(NotFound):
                tasks.close(mode, task.id, "looked at", world.engine.now_ms)

    world.engine.spawn("operator", close)


def _charge(n: int, world: World) -> None:
    if world.statements is not None:
        world.statements.charge(n)


def _statement(n: int, world: World) -> None:
    if world.statements is not None:
        world.statements.hand_in(n)


def _decide(n: int, people: int, world: World) -> None:
    """Operators decide what waits; two of them at once, and for reasons of their own."""
    for who in range(people):
        work = partial(_decide_all, f"{who} of {n}", world)
        world.by_hand(f"decides {n}.{who}", work)


def _decide_all(who: str, world: World) -> None:
    me, mode = world.engine.process, world.shape.mode
    assert me is not None
    waiting = [item for _, item in reconcile.open_items(world.desk, mode)]
    for item in waiting:
        draws = Draws(world.engine.seed, f"decision {item['item']} {who}")
        charged = item["found"] if item["code"] == "nobody_expects_it" else 0
        if not charged and draws.chance(600):
            continue
        legs = (f"expense:bank={-charged}", f"bank:payout={charged}") if charged else ()
        other = draws.pick(tuple(waiting))["entries"] if draws.chance(100) else []
        said = reconcile.Said(f"so says {who}", tuple(other), legs)
        with suppress(reconcile.Refused):
            reconcile.decide(world.desk, mode, item["item"], said)


def _redrive(world: World) -> None:
    world.queues.redrive()


def _jump(hours: int, world: World) -> None:
    """A developer moves the test clock, and runs the day's end."""
    world.jump(hours * 3_600)
    world.queues.put("settle", json.dumps({"currency": "IRR"}), 0)


# ── running one ───────────────────────────────────────────────────────────────────────────────


def days(shape: Shape) -> list[dt.date]:
    """The settlement days a schedule may see."""
    first = day_of(shape.start_ms)
    busy = (shape.busy_until_ms - shape.start_ms) // (24 * HOUR_MS)
    return [first + dt.timedelta(n) for n in range(busy + CALM_DAYS)]


def build(schedule: "Schedule") -> World:
    """The world of a schedule, ready to run."""
    draws = Draws(schedule.seed, "schedule")
    edge = draws.chance(450)
    rough = _without_oddities(mood(draws, schedule.fault_rate, edge=edge), schedule.without)
    big = in_files(shape(draws, schedule.profile, edge=edge), schedule.seed, schedule.profile)
    big = refusing(big, schedule.seed, schedule.profile)
    big = reconciled(big, schedule.seed, schedule.profile)
    big = rivals(big, schedule.seed, schedule.profile)
    wished = wishes(draws, big) + _covered_wishes(big, schedule.seed)
    wished += _book_wishes(big, schedule.seed, many=schedule.profile == "books")
    world = World(schedule.seed, rough, big, schedule.only)
    world.engine.hot = hot(big)
    world.engine.fences = tuple(cut + FENCE_MS for cut in _cut_offs(big))
    world.engine.partitioned = world.cut_off_channels
    world.wished = tuple(wish.name for wish in wished)
    for wish in wished:
        if wish.name not in schedule.without:
            work = partial(wish.do, world)
            delay_ms = max(0, wish.at_ms - world.engine.now_ms)
            world.engine.spawn(wish.name, work, delay_ms, ours=False)
    return world


def _without_oddities(rough: Mood, without: Collection[str]) -> Mood:
    if "clock skew" in without:
        rough = replace(rough, skew_ms=0)
    if "repeats" in without:
        rough = replace(rough, repeats_per_mille=0)
    if "lost timers" in without:
        rough = replace(rough, timers_lost_per_mille=0)
    return rough
