"""One measured process: import a handler, call it, check every answer, write down what it cost.

It loads next to nothing before the clock starts, so that a candidate pays for all it needs. Run
with -S: the paths of the candidate are the only ones beside the standard library.

Modes: `time` reads CPU time, `count` reads the stub's meter and what was imported and compiled
(and never a clock), `plain` does neither, for cachegrind; `nothing` shows what this file costs.
"""

import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself is not loaded here
    from collections.abc import Callable
    from typing import Any


class Context:
    """What Lambda hands a handler beside the event."""

    function_name = "bench"
    function_version = "$LATEST"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "00000000-0000-4000-8000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Long enough for any handler."""
        return 20_000


TRACES = iter(range(1, 1 << 30))


def call(handle: "Callable[..., Any]", event: object, context: Context) -> "Any":
    """One invocation; the runtime gives each a trace of its own."""
    root = f"Root=1-5759e988-{next(TRACES):024x};Parent=53995c3f42cd8ad8;Sampled=0"
    os.environ["_X_AMZN_TRACE_ID"] = root
    return handle(event, context)


def main() -> None:
    """Run the phases of the specification on standard input."""
    spec = marshal.loads(sys.stdin.buffer.read())  # noqa: S302 - from our own parent
    sys.dont_write_bytecode = True
    sys.path[:] = [*spec["path"], *[p for p in sys.path if not p.endswith("/bench")]]
    os.environ.update(spec["env"])
    if spec["mode"] == "nothing":
        return
    counting = spec["mode"] == "count"
    compiled = _count_compiled() if counting else []
    before = len(sys.modules)
    context = Context()
    module, _, name = spec["handler"].partition(":")
    first, *others = spec["phases"]
    results: dict[str, Any] = {}

    begin = time.process_time_ns()
    handle = getattr(__import__(module, fromlist=[name]), name)
    imported = time.process_time_ns()
    answers = [call(handle, event, context) for event in first["events"]]
    end = time.process_time_ns()

    results[first["name"]] = {"ns": end - begin, "import_ns": imported - begin, "calls_made": 1}
    if counting:
        results[first["name"]] |= {
            "modules": len(sys.modules) - before,
            "compiled": len(compiled),
            **_lap(spec),
        }
    _check(first, answers)
    for phase in others:
        begin = time.process_time_ns()
        answers = [call(handle, event, context) for event in phase["events"]]
        end = time.process_time_ns()
        results[phase["name"]] = {"ns": end - begin, "calls_made": len(answers)}
        if counting:
            results[phase["name"]] |= _lap(spec)
        _check(phase, answers)
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - pathlib is not loaded here
        lines = status.read().split(b"\n")
    results["max_rss_kb"] = next(int(x.split()[1]) for x in lines if x.startswith(b"VmHWM"))
    with open(spec["out"], "wb") as file:  # noqa: PTH123 - pathlib is not loaded here
        marshal.dump(results, file)


def _count_compiled() -> list[str]:
    """Names of the files Python compiles from now on, because no valid bytecode lay beside them."""
    loader = sys.modules["_frozen_importlib_external"].SourceLoader
    compile_ = loader.source_to_code
    seen: list[str] = []

    def source_to_code(self: object, data: bytes, path: str, **rest: object) -> "Any":
        seen.append(str(path))
        return compile_(self, data, path, **rest)

    loader.source_to_code = source_to_code
    return seen


def _lap(spec: "dict[str, Any]") -> "dict[str, Any]":
    """The stub's meter and the bytes logged since the last lap."""
    import json
    from urllib.request import urlopen

    sys.stdout.flush()
    sys.stderr.flush()
    logged = os.fstat(1).st_size + os.fstat(2).st_size
    with urlopen(spec["lap"], timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    found["log_bytes"] = logged - spec.get("logged", 0)
    spec["logged"] = logged
    return found


def _check(phase: "dict[str, Any]", answers: "list[Any]") -> None:
    """Every answer is the expected one; a bench of wrong answers measures nothing."""
    expected = phase["status"]
    for answer, text in zip(answers, phase["contains"], strict=True):
        if expected is None:
            right = answer is None or not answer.get("batchItemFailures")
        else:
            right = answer["statusCode"] == expected
        if not right or text not in str(answer):
            raise SystemExit(f"{phase['name']}: expected {expected} with {text!r}, got {answer}")


if __name__ == "__main__":
    main()
