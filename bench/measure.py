"""Run a candidate's process against the stub and read what it cost."""

import json
import marshal
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from bench import sites
from bench.candidates import TABLES, Candidate, Json, Plan, check, phases

CHILD: Final = Path(__file__).with_name("child.py")
CHANNEL_MERCHANT: Final = "5f0c1a4e-8c52-4d0e-9a53-0a5f5c1f7a01"
REFS: Final = re.compile(r"I\s+refs:\s+([\d,]+)")
TIMEOUT_S: Final = 600


class Stub:
    """The stub process, spoken to."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def send(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def stub() -> Iterator[Stub]:
    """The stub, on a free port, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stub"],
        cwd=sites.ROOT,
        env={"PYTHONPATH": str(sites.ROOT / "src"), "PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        yield Stub(int(child.stdout.readline()))
        # Leaving closes its standard input, which ends it.


def environment(stub: Stub, world: str, database: Path) -> dict[str, str]:
    """What Lambda and the template give a function, for all alike."""
    channel = f"{stub.url}/_channel/{world}"
    queue = f"{stub.url}/123456789012/"
    return {
        **{
            "".join(c if c.islower() else f"_{c}" for c in name).strip("_").upper(): name
            for name in TABLES
        },
        **{
            name: queue + name
            for name in ("TIMER_QUEUE", "VERIFY_QUEUE", "REFUND_QUEUE", "SETTLE_QUEUE")
        },
        "PAYOUT_QUEUE": queue + "PAYOUT_QUEUE",
        "FILES_BUCKET": "files",
        "CHANNEL_SECRET_TEST": "ChannelSecretTest",
        "CHANNEL_SECRET_LIVE": "ChannelSecretLive",
        "DATA_KEY": "key",
        "PUBLIC_BASE_URL": "https://pay.example",
        "TEST_TIMER_SLICE_S": "60",
        "PROVIDER_URL": f"{channel}/pg/v4/payment",
        "PROVIDER_MERCHANT": CHANNEL_MERCHANT,
        "SQLITE_PATH": str(database),
        "POWERTOOLS_SERVICE_NAME": "payments",
        "POWERTOOLS_METRICS_NAMESPACE": "Payments",
        "AWS_ENDPOINT_URL": stub.url,
        "AWS_ACCESS_KEY_ID": world,
        "AWS_SECRET_ACCESS_KEY": "bench-secret-bench-secret-bench-secret-0",
        "AWS_SESSION_TOKEN": "bench-token" * 40,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TZ": ":UTC",
    }


def _secret(stub: Stub, world: str) -> str:
    url = f"{stub.url}/_channel/{world}"
    fields = {
        "api_url": url,
        "graphql_url": url + "/graphql",
        "merchant_id": CHANNEL_MERCHANT,
        "access_token": "token",
    }
    return json.dumps({"zarinpal": {"default": fields}})


_numbers = count(1)


def run(stub: Stub, candidate: Candidate, flow: str, plan: Plan, mode: str = "time") -> Json:
    """One fresh process; every answer and the effect are checked."""
    with tempfile.TemporaryDirectory() as folder:
        return _run(stub, candidate, flow, plan, mode, Path(folder))


def _run(stub: Stub, candidate: Candidate, flow: str, plan: Plan, mode: str, folder: Path) -> Json:
    world = f"W{next(_numbers):06d}"
    secret = _secret(stub, world)
    stub.send(
        "POST",
        f"/_bench/worlds/{world}",
        {
            "seed": candidate.seed.get("name", "empty"),
            "secrets": {"ChannelSecretLive": secret, "ChannelSecretTest": secret},
        },
    )
    database = folder / "shop.sqlite"
    if candidate.database:
        shutil.copyfile(candidate.database, database)
    spec = {
        "path": [str(p) for p in candidate.path],
        "env": environment(stub, world, database),
        "handler": candidate.handlers[flow],
        "phases": [
            phase
            for phase in phases(candidate, flow, plan)
            if mode != "plain" or phase["name"] != "replay"
        ],
        "mode": mode,
        "lap": f"{stub.url}/_bench/worlds/{world}/lap",
        "out": str(folder / "out"),
    }

    def left() -> Json:
        shown: Json = stub.send("GET", f"/_bench/worlds/{world}")
        return shown

    refs = _process(spec, folder, valgrind=mode == "plain")
    check(candidate, flow, plan, left, database)
    found: Json = marshal.loads((folder / "out").read_bytes())  # noqa: S302 - our own child's
    return {**found, "refs": refs}


def _process(spec: Json, folder: Path, *, valgrind: bool) -> int | None:
    command = [sites.interpreter(), "-S", "-s", "-P", str(CHILD)]
    env = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    if valgrind:
        tool = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        log = f"--log-file={folder / 'valgrind'}"
        command = ["setarch", "-R", "valgrind", *tool, log, *command]
        env["PATH"] = os.environ["PATH"]
    with (folder / "stdout").open("w+") as out, (folder / "stderr").open("w+") as err:
        done = subprocess.run(
            command,
            input=marshal.dumps(spec),
            stdout=out,
            stderr=err,
            env=env,
            cwd=folder,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            err.seek(0)
            raise RuntimeError(f"{spec['handler']}: {err.read()[-3000:]}")
    if not valgrind:
        return None
    match = REFS.search((folder / "valgrind").read_text())
    assert match is not None
    return int(match[1].replace(",", ""))


def empty_instructions() -> int:
    """What the measured process itself costs before anything is imported."""
    spec = {"path": [], "env": {}, "handler": "json:dumps", "phases": [], "mode": "nothing"}
    with tempfile.TemporaryDirectory() as folder:
        refs = _process(spec, Path(folder), valgrind=True)
    assert refs is not None
    return refs


def plant(stub: Stub, candidates: list[Candidate]) -> None:
    """Hand the stub every candidate's books, once."""
    stub.send("POST", "/_bench/seeds/empty", {"tables": TABLES, "items": {}})
    for seed in {id(c.seed): c.seed for c in candidates if "items" in c.seed}.values():
        wish = {"tables": TABLES, "items": seed["items"]}
        stub.send("POST", f"/_bench/seeds/{seed['name']}", wish)


def spread(values: list[float]) -> Json:
    """Median and interquartile range."""
    if len(values) < 2:
        return {"median": values[0], "low": values[0], "high": values[0]}
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": statistics.median(values), "low": low, "high": high}
