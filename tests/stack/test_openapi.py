"""The deployed API does what its OpenAPI says, whatever it is sent.

Schemathesis reads the served document, sends examples, edges, nonsense and chains of calls, and
compares every answer with what was promised.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from payvand_cli import fire
from payvand_cli.paths import DEV_BIN
from tests.stack.shops import open_shop
from tests.support.local_stack import LocalStack
from tools import contracts

pytestmark = pytest.mark.xdist_group("stack")

MAX_EXAMPLES = 6
RUN_S = 300
NEVER_ASKED = {
    "unsupported_method",  # API Gateway answers 404 to these, as to any route it does not know
    "missing_required_header",
    "positive_data_acceptance",  # rules between fields, contracts and states are not in a schema
}
CONFIG = "[phases.coverage]\nunexpected-methods = []\n"
NEEDS_A_PAID_ONE = {"create_payment_refund", "create_payout"}
"""The newest payment is one it made itself, and nobody pays those; tests/flows does both."""
ASKED_MIN = 5


class Answer(NamedTuple):
    """One answer, as the report tells it."""

    method: str
    path: str
    status: int
    type: str
    text: str


@pytest.fixture(scope="module")
def key(local_stack: LocalStack) -> Iterator[str]:
    """The key of a merchant who has one of everything: paid, told, settled, paid out."""
    with open_shop(local_stack, "schemathesis") as shop:
        day = shop.afternoon()
        payment = shop.paid()
        shop.until(lambda: shop.told(payment["id"], "payment.executed.v1"))
        shop.after(day)
        fire.run(local_stack.stack, "SettleSchedule", shop.now())
        shop.until(lambda: shop.shop.all("/payouts"))
        yield shop.local["api_key"]


@pytest.fixture(scope="module")
def answers(
    local_stack: LocalStack, key: str, tmp_path_factory: pytest.TempPathFactory
) -> list[Answer]:
    """Every answer of a run that found nothing wrong."""
    folder: Path = tmp_path_factory.mktemp("schemathesis")
    (folder / "config.toml").write_text(CONFIG)
    done = subprocess.run(
        [
            str(DEV_BIN / "schemathesis"),
            f"--config-file={folder / 'config.toml'}",
            "run",
            f"{local_stack.url}/openapi.json",
            f"--header=Authorization: Bearer {key}",
            "--phases=examples,coverage,fuzzing,stateful",
            f"--max-examples={MAX_EXAMPLES}",
            f"--exclude-checks={','.join(sorted(NEVER_ASKED))}",
            "--request-timeout=30",
            "--workers=2",
            "--seed=1",
            "--generation-database=none",
            "--warnings=off",
            "--no-color",
            "--report=har",
            f"--report-dir={folder}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    [report] = folder.glob("har-*.json")
    return list(_read(report, local_stack.url))


def _read(report: Path, url: str) -> Iterator[Answer]:
    for entry in json.loads(report.read_text(encoding="utf-8"))["log"]["entries"]:
        asked, said = entry["request"], entry["response"]
        yield Answer(
            asked["method"],
            asked["url"].removeprefix(url).partition("?")[0],
            said["status"],
            said["content"].get("mimeType", ""),
            said["content"].get("text", ""),
        )


def test_nothing_that_is_sent_breaks_a_promise(answers: list[Answer]) -> None:
    assert len(answers) > 200
    assert all(answer.status < 500 for answer in answers)


def test_every_operation_was_seen_to_work(answers: list[Answer]) -> None:
    for operation in contracts.operations():
        parts = operation.route.path.split("/")
        seen = [
            answer.status
            for answer in answers
            if answer.method == operation.route.method
            and len(here := answer.path.split("/")) == len(parts)
            and all(b in {a, "{id}"} for a, b in zip(here, parts, strict=True))
        ]
        assert len(seen) >= ASKED_MIN, f"{operation.id} was asked {len(seen)} times"
        assert any(400 <= status < 500 for status in seen), f"{operation.id} refused nothing"
        if operation.id not in NEEDS_A_PAID_ONE:
            assert operation.route.status in seen, f"{operation.id} never worked"


def test_every_refusal_is_a_problem(answers: list[Answer]) -> None:
    refused = [answer for answer in answers if answer.status >= 400]
    assert {400, 401, 404, 409} <= {answer.status for answer in refused}
    for answer in refused:
        assert answer.type == "application/problem+json", answer
        body = json.loads(answer.text)
        assert body["status"] == answer.status, answer
        assert body["type"] == f"urn:payvand:problem:{body['code']}", answer


def test_the_served_files_name_this_deployment(local_stack: LocalStack) -> None:
    served = httpx.get(f"{local_stack.url}/openapi.json", timeout=40)
    committed = (contracts.SERVED / "openapi.json").read_text(encoding="utf-8")
    assert served.text == committed.replace(contracts.SERVER, local_stack.url)
    page = httpx.get(f"{local_stack.url}/docs", timeout=40)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert contracts.SERVER not in page.text and local_stack.url in page.text
