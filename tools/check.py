"""`make test`: lint, types, template and tests side by side, one line each, then what failed.

Static checks run one after another beside the tests, so that two cores are busy and readable.
`make check` is the same without what needs minutes: the rooms of `LATER`, and in the other rooms
what is marked `stack` (needs the deployed local stack) or `long` (minutes of a core); properties
are tried on a quarter of the examples.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEV = ROOT / ".venv" / "bin"
SAM = ROOT / ".local" / "sam" / "bin"
LINT = ROOT / ".local" / "lint" / "bin"
LOGS = ROOT / ".local" / "check"
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAM_CLI_TELEMETRY": "0",
}


@dataclass(frozen=True)
class Check:
    """One command and the name people know it by."""

    name: str
    command: tuple[str, ...]

    def start(self) -> subprocess.Popen[bytes]:
        """Run it, its output in a log."""
        dropped = ("AWS_", "PYTHON", "SAM_", "VIRTUAL_ENV")
        env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        with self.log.open("wb") as log:
            return subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=env | AWS | {"PATH": f"{DEV}:{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> Path:
        """Where its output is."""
        return LOGS / f"{self.name.replace(' ', '-')}.log"


PYTHON = [
    name
    for name in ("src", "layers", "functions", "tests", "tools", "bench")
    if (ROOT / name).is_dir()
]
VALIDATE = (str(SAM / "sam"), "validate", "--lint", "--region", "us-east-1")
STATIC = [
    Check("ruff check", (str(DEV / "ruff"), "check", *PYTHON)),
    Check("ruff format", (str(DEV / "ruff"), "format", "--check", *PYTHON)),
    Check("import-linter", (str(DEV / "lint-imports"), "--no-cache")),
    Check("mypy", (str(DEV / "mypy"),)),
    *(Check(name, (*VALIDATE, "--template-file", f"{name}.yaml")) for name in ("data", "template")),
    Check("checkov", (str(LINT / "checkov"), "--config-file", ".checkov.yaml")),
]
# Each folder of tests/ is in one of the two; tests/cli/test_check.py sees to that.
QUICK = {
    *("channels", "cli", "contracts", "docs", "edge", "flows"),
    *("bank", "functions", "load", "money", "pages", "papers", "shared", "template"),
}
LATER = {"adversary", "bench", "browser", "cold", "simulation", "stack"}
NOT_NOW = "not stack and not long"


def quick(tests: Path) -> list[str]:
    """What pytest is told for `make check`."""
    rooms = sorted(name for name in QUICK if (tests / name).is_dir())
    told = [f"{tests.name}/{name}" for name in rooms]
    return [*told, "--hypothesis-profile", "quick", "-m", NOT_NOW]


class Running:
    """A lane of checks, one after another, polled from outside."""

    def __init__(self, checks: list[Check]) -> None:
        self.waiting = list(checks)
        self.failed: list[Check] = []
        self.current: tuple[Check, subprocess.Popen[bytes], float] | None = None

    def poll(self) -> bool:
        """Move on where something ended; whether there is anything left."""
        if self.current:
            check, child, started = self.current
            code = child.poll()
            if code is None:
                return True
            took = time.monotonic() - started
            print(
                f"{'ok    ' if code == 0 else 'FAILED'} {check.name:<14} {took:5.1f} s", flush=True
            )
            if code:
                self.failed.append(check)
            self.current = None
        if self.waiting:
            check = self.waiting.pop(0)
            self.current = check, check.start(), time.monotonic()
        return self.current is not None

    def stop(self) -> None:
        """End what runs now."""
        if self.current:
            self.current[1].terminate()
            self.current[1].wait()


def main() -> int:
    """Run everything; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--static", action="store_true", help="without the tests")
    parser.add_argument("--quick", action="store_true", help="without the tests that take long")
    parser.add_argument("arguments", nargs="*", help="for pytest")
    asked = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = [*(quick(ROOT / "tests") if asked.quick else []), *asked.arguments]
    tests = Check("pytest", (str(DEV / "python"), "-m", "pytest", *chosen))
    lanes = [Running(STATIC)] + ([] if asked.static else [Running([tests])])
    try:
        while sum(lane.poll() for lane in lanes):  # every lane moves on, so no `any`
            time.sleep(0.05)
    finally:
        for lane in lanes:
            lane.stop()
    failed = [check for lane in lanes for check in lane.failed]
    for check in failed:
        print(f"\n--- {check.name} ({check.log.relative_to(ROOT)})")
        print(check.log.read_text(errors="replace")[-20_000:])
    if not asked.static and not failed:
        print(tests.log.read_text(errors="replace").rstrip().rpartition("\n")[2])
    print("all checks passed" if not failed else f"failed: {', '.join(c.name for c in failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
