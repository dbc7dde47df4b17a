"""`make bench-settlement`: what a day's settlement costs, from a thousand payments to a million.

The settle function runs as deployed: plan, a message per book, sheets of big books. DynamoDB is
the simulator's, in memory, and meters units as AWS bills them; what it takes for an answer is left
out of the CPU time, what our client does (signing, decoding) is in it. Merchants are sized by
Zipf's law. The fit is by least squares on three counts, errors weighed by size; the day at 10⁸ is
read off it and priced with the list prices of bench/cost.py.
"""

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from bench import growth
from bench.stub import from_json, method
from payvand.edge.aws import Client, Keys
from payvand.ids import Book, PaymentId
from payvand.merchant import Merchant
from payvand_cli.simulate.books import CURRENCY, DAY, Books
from payvand_cli.simulate.memory import Meter

Json = dict[str, Any]

PAYMENTS: Final = (1_000, 10_000, 100_000, 1_000_000)
MERCHANTS: Final = (100, 1_000, 10_000)
AT_ONCE: Final = 150_000
"""Payments held in memory: bigger days are settled a part of the merchants at a time."""
OPEN_S: Final = 19 * 3600
"""A day's payments are spread over so much of it."""
ENV: Final = {
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


# ── a day ─────────────────────────────────────────────────────────────────────────────────────


def sizes(payments: int, merchants: int) -> list[int]:
    """How many payments each merchant has: Zipf's law, whole numbers that add up."""
    total = sum(1 / n for n in range(1, merchants + 1))
    shares, done = [], 0.0
    for n in range(1, merchants + 1):
        before, done = done, done + payments / n / total
        shares.append(round(done) - round(before))
    return shares


def _fill(world: Books, merchant: Merchant, payments: int) -> None:
    """A merchant's paid day: one payment made by the product, the others are its copies."""
    if not payments:
        return
    model = world.paid(merchant)
    key = {"pk": {"S": model.id.partition}, "id": {"S": model.id.text}}
    item = world.aws.memory.peek("payments", key)
    assert item is not None
    more = {
        "payer": {"B": bytes(160)},
        "desc": {"S": "Order 2026-000123456"},
        "meta": {"M": {"order_id": {"S": "123456"}, "customer": {"S": "c-778899"}}},
    }
    for n in range(1, payments):
        ms = OPEN_S * 1000 * n // payments
        id = PaymentId.mint(model.id.book, DAY, ms, n % merchant.shards, n.to_bytes(6)).text
        pk = f"{key['pk']['S'].rpartition('#')[0]}#{n % merchant.shards}"
        copy = {**item, **more, "pk": {"S": pk}, "id": {"S": id}, "ref": {"S": f"order-{n}"}}
        world.aws.memory.put_item(TableName="payments", Item=copy)


class _Lender:
    """Keys nobody checks."""

    @staticmethod
    def keys() -> Keys:
        return Keys("AKIDEXAMPLE", "secret", "", float("inf"))


class _Line:
    """DynamoDB at the other end of our client's connection; how long it took is kept."""

    def __init__(self, world: Books) -> None:
        self._memory = world.aws.memory
        self.took_ns = 0
        self.calls: Counter[str] = Counter()

    def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request, as bytes."""
        began = time.process_time_ns()
        head, _, body = request.partition(b"\r\n\r\n")
        operation = head.partition(b"x-amz-target:DynamoDB_20120810.")[2].partition(b"\r\n")[0]
        act = getattr(self._memory, method(operation.decode()))
        answer = act(**from_json(json.loads(body)))
        headers = answer.pop("ResponseMetadata", {}).get("HTTPHeaders", {})
        sent = json.dumps(answer, default=lambda raw: b64encode(raw).decode()).encode()
        self.calls[operation.decode()] += 1
        self.took_ns += time.process_time_ns() - began
        return 200, headers, sent


class _Empty(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield b""


class _Bucket:
    """S3 through boto3, as deployed, whose requests go nowhere."""

    def __init__(self) -> None:
        self.puts = 0
        self.client = boto3.client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",  # noqa: S106 - nobody checks it
        )
        self.client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: Any, **_: Any) -> Any:
        self.puts += request.method == "PUT"
        return AWSResponse(request.url, 200, HTTPHeaders(), _Empty())


class Day(NamedTuple):
    """What settling a day cost."""

    cpu_us: float
    calls: int
    read_units: float
    write_units: float
    files: int
    messages: int
    invocations: int
    active: int


def settled(days: Sequence[int]) -> Day:
    """Settle merchants of these sizes, all at once in memory."""
    world = Books()
    merchants = [world.merchant(n, modes=("live",)) for n in range(len(days))]
    for merchant, payments in zip(merchants, days, strict=True):
        _fill(world, merchant, payments)
    world.close()
    line, bucket = _Line(world), _Bucket()
    client = Client("dynamodb", ENV, _Lender())  # type: ignore[arg-type]
    vars(client)["_line"] = line
    others = {"dynamodb": client, "s3": bucket.client, "sqs": world.aws.quiet("sqs")}
    world.live = world.doors(others.__getitem__)
    world.aws.memory.meter = meter = Meter()
    gc.collect()
    gc.freeze()  # what the collector would do with the database in memory is none of ours
    waiting, began, handed = world.aws.queues["settle"], time.process_time_ns(), 0
    waiting.append({"currency": CURRENCY})
    with world.at_work(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        while waiting:
            handed += 1
            assert world.hand(waiting.pop(0)), "it settles"
    cpu_ns = time.process_time_ns() - began - line.took_ns
    gc.unfreeze()
    books = [Book(merchant.id, "live", CURRENCY) for merchant in merchants]
    sealed = sum(seal.count for book in books for seal in world.seals(book))
    assert sealed == sum(days), "nobody twice, nobody missing"
    return Day(
        cpu_us=cpu_ns / 1000,
        calls=sum(line.calls.values()),
        read_units=meter.rru,
        write_units=meter.wru,
        files=bucket.puts,
        messages=handed - 1,
        invocations=handed,
        active=sum(1 for n in days if n),
    )


def measured(payments: int, merchants: int) -> Json:
    """A day of so many payments of so many merchants, a part of the merchants at a time."""
    parts: list[list[int]] = [[]]
    for size in sizes(payments, merchants):
        if parts[-1] and sum(parts[-1]) + size > AT_ONCE:
            parts.append([])
        parts[-1].append(size)
    found = [settled(part) for part in parts]
    # Each part has a plan of its own; a day has one.
    more = len(found) - 1
    total = Day(*(sum(values) for values in zip(*found, strict=True)))
    total = total._replace(invocations=total.invocations - more)
    return {"payments": payments, "merchants": merchants, **total._asdict()}


def main() -> int:
    """What was asked; the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-settlement", description=__doc__)
    parser.add_argument("--payments", type=int, nargs="+", default=PAYMENTS)
    parser.add_argument("--merchants", type=int, nargs="+", default=MERCHANTS)
    parser.add_argument("--record", action="store_true", help="keep it, and write the page anew")
    asked = parser.parse_args()
    rows = []
    for payments in asked.payments:
        for merchants in asked.merchants:
            rows.append(measured(payments, merchants))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    found = growth.of(rows)
    print(growth.days_table(found), growth.fit_table(found), sep="\n\n")
    texts = growth.fields(found)
    print(f"\nA day of {texts['scale_big']}: {texts['scale_sum']} ({texts['scale_parts']}),")
    print(f"{texts['scale_share']} of the {texts['scale_writes']} its payments' writes cost.")
    if asked.record:
        from bench import docs

        growth.RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        (growth.RESULTS / f"{found['date']}.json").write_text(text, encoding="utf-8")
        docs.PAGE.write_text(docs.page(docs.newest()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
