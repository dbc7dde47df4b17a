"""The deployed API does what its OpenAPI says, whatever it is sent.

Schemathesis reads the served document, sends examples, edges, nonsense and chains of calls, and
compares every answer with what was promised.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from payvand_cli.paths import DEV_BIN
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
NEEDS_A_SETTLEMENT = {"get_payout", "list_payout_entries"}


@pytest.fixture(scope="module")
def key(local_stack: LocalStack) -> str:
    """The seeded key, in a stack where one payment has ended and was told."""
    found: str = local_stack.local["api_key"]
    with httpx.Client(
        base_url=local_stack.url, headers={"Authorization": f"Bearer {found}"}, timeout=40
    ) as client:
        made = client.post("/payments", json=contracts.example("CreatePayment")).json()
        client.post(f"/pay/{made['id']}/cancel")
        end = time.monotonic() + 30
        while not client.get("/webhook_deliveries").json()["data"]:
            assert time.monotonic() < end, "the payment's end was not told"
            time.sleep(0.1)  # another process's queue: there is nothing to wait on
    return found


@pytest.fixture(scope="module")
def answers(
    local_stack: LocalStack, key: str, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, str, int]]:
    """Every (method, path, status) of a run that found nothing wrong."""
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


def _read(report: Path, url: str) -> Iterator[tuple[str, str, int]]:
    for entry in json.loads(report.read_text(encoding="utf-8"))["log"]["entries"]:
        asked = entry["request"]
        path = asked["url"].removeprefix(url).partition("?")[0]
        yield asked["method"], path, entry["response"]["status"]


def test_nothing_that_is_sent_breaks_a_promise(answers: list[tuple[str, str, int]]) -> None:
    assert len(answers) > 200
    assert all(status < 500 for _, _, status in answers)


def test_every_operation_was_seen_to_work(answers: list[tuple[str, str, int]]) -> None:
    for operation in contracts.operations():
        if operation.id in NEEDS_A_SETTLEMENT | {"create_payment_refund"}:
            continue  # tests/flows and the demo day reach these
        parts = operation.route.path.split("/")
        worked = [
            path
            for method, path, status in answers
            if method == operation.route.method
            and status == operation.route.status
            and len(here := path.split("/")) == len(parts)
            and all(b in {a, "{id}"} for a, b in zip(here, parts, strict=True))
        ]
        assert worked, f"{operation.id} never answered {operation.route.status}"


def test_the_served_files_name_this_deployment(local_stack: LocalStack) -> None:
    served = httpx.get(f"{local_stack.url}/openapi.json", timeout=40)
    committed = (contracts.SERVED / "openapi.json").read_text(encoding="utf-8")
    assert served.text == committed.replace(contracts.SERVER, local_stack.url)
    page = httpx.get(f"{local_stack.url}/docs", timeout=40)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert contracts.SERVER not in page.text and local_stack.url in page.text
