"""Every AWS client has short time-outs and few tries; nothing is built before it is needed."""

import ast
import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from payvand.edge.aws import TRIES, Client
from payvand.edge.line import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from payvand.edge.wiring import Wiring, public_base_url

ROOT = Path(__file__).parents[2]
NEEDED = {"dynamodb", "sqs", "s3", "kms", "secretsmanager", "events"}
ENV = {"AWS_REGION": "us-east-1"}


def test_only_files_need_the_big_client() -> None:
    live = Wiring(ENV)
    assert {name for name in NEEDED if isinstance(live.client(name), Client)} == NEEDED - {"s3"}
    assert live.client("s3").meta.service_model.service_name == "s3"


def test_no_client_waits_long_or_tries_often() -> None:
    config: Any = Wiring(ENV).client("s3").meta.config
    assert config.connect_timeout == CONNECT_TIMEOUT_S and config.read_timeout == ANSWER_TIMEOUT_S
    assert config.retries == {"mode": "standard", "total_max_attempts": TRIES}


def test_a_link_to_a_file_names_its_region_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the global address a bucket elsewhere sends on, and the signature no longer holds."""
    fixed = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "t"}
    for name, value in {**fixed, "AWS_DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    papers = Wiring({**ENV, "FILES_BUCKET": "files"}).papers
    link = papers.link("papers/x/y.csv", dt.datetime(2026, 5, 4, 8, 30, tzinfo=dt.UTC))
    place = urlsplit(link.url)
    assert (place.scheme, place.netloc) == ("https", "files.s3.eu-central-1.amazonaws.com")
    query = parse_qs(place.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["300"]
    assert link.until_ms == 1_777_883_700_000


def test_the_worst_wait_for_one_call_fits_a_function() -> None:
    assert (CONNECT_TIMEOUT_S + ANSWER_TIMEOUT_S) * TRIES <= 25


def test_one_session_makes_all_clients() -> None:
    live = Wiring(ENV)
    live.client("s3")
    assert live._session is live._session
    assert live.client("sqs")._lender is live.client("kms")._lender


def test_clients_are_made_nowhere_else() -> None:
    """A client made beside the wiring would wait for a minute, five times."""
    for path in [
        *(ROOT / "functions").rglob("*.py"),
        *(ROOT / "layers/shared/payvand").rglob("*.py"),
    ]:
        if path.match("layers/shared/payvand/edge/wiring.py") or "functions/lab" in str(path):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {
                "client",
                "resource",
            }
            own = made and ast.unparse(node).startswith(("boto3.", "session."))
            assert not own, f"{path}: {ast.unparse(node)}"


def test_the_lab_has_time_outs_too() -> None:
    text = (ROOT / "functions/lab/wiring.py").read_text(encoding="utf-8")
    assert "connect_timeout" in text and "read_timeout" in text


def test_hosts_are_read_from_a_list() -> None:
    live = Wiring({"WEBHOOK_ALLOWED_HOSTS": "127.0.0.1:8080,,10.0.0.1:9"})
    assert live.webhook_allowed_hosts == {"127.0.0.1:8080", "10.0.0.1:9"}
    assert Wiring({}).webhook_allowed_hosts == frozenset()


def test_the_public_address_has_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://pay.example/")
    assert public_base_url() == "https://pay.example"
    monkeypatch.delenv("PUBLIC_BASE_URL")
    assert public_base_url() == ""


def test_a_door_is_loaded_when_it_is_needed() -> None:
    """What a cold start does not use, it does not load."""
    code = (
        "import sys; sys.path[:0] = ['.', 'layers/shared'];"
        "import functions.payment_init.handler;"
        "heavy = {'jinja2', 'cryptography', 'botocore', 'httpx', 'yaml'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
