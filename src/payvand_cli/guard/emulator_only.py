"""What the emulator's own process gets, and the workers it starts do not.

It ends with its parent, unpacks the layer once instead of once a worker, names SQS's batch
actions and DynamoDB's leading keys as AWS does, and writes down what each role was allowed and
denied.
"""

import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LARGE = 1_000_000
"""Bytes of an archive worth sharing."""
PARTITION_KEYS = ("pk", "id", "hash")


def prepare() -> None:
    """Do all of it, before the emulator begins."""
    threading.Thread(target=die_with_parent, name="lifeline", daemon=True).start()
    unpack_once()
    name_batches_as_aws_does()
    name_leading_keys()
    if calls := os.environ.pop("PAYVAND_CALLS", ""):
        write_calls(Path(calls))


def die_with_parent() -> None:
    """Wait for the end of standard input, which the parent holds open, then end this process.

    The kernel closes the pipe whatever way the parent died, `kill -9` included.
    """
    while os.read(0, 1):
        pass
    os._exit(0)


def unpack_once() -> None:
    """Make a second unpacking of the same large archive a link to the first.

    The emulator looks at each member's path and unpacks the layer, 30 MB in a thousand files, for
    each worker it starts, and answers nobody meanwhile. Workers only read it; its bytecode is
    inside. Members that were looked at once need no second look.
    """
    unpack = zipfile.ZipFile.extractall
    names = zipfile.ZipFile.namelist
    lock = threading.Lock()
    kept = Path(os.environ["TMPDIR"]) / "unpacked"

    def extractall(
        archive: zipfile.ZipFile,
        path: "str | os.PathLike[str] | None" = None,
        members: "Iterable[str | zipfile.ZipInfo] | None" = None,
        pwd: bytes | None = None,
    ) -> None:
        source = Path(archive.filename or "")
        if not path or members or not source.is_file() or source.stat().st_size < LARGE:
            unpack(archive, path, members, pwd)
            return
        first = place(source)
        with lock:
            if not first.exists():
                draft = first.with_suffix(".new")
                unpack(archive, draft, members, pwd)
                draft.rename(first)
        for entry in first.iterdir():
            (Path(path) / entry.name).symlink_to(entry)

    def place(source: Path) -> Path:
        return kept / hashlib.blake2b(source.read_bytes()).hexdigest()[:32]

    def namelist(archive: zipfile.ZipFile) -> list[str]:
        source = Path(archive.filename or "")
        large = source.is_file() and source.stat().st_size >= LARGE
        return [] if large and place(source).exists() else names(archive)

    setattr(zipfile.ZipFile, "extractall", extractall)  # noqa: B010 - a method is replaced
    setattr(zipfile.ZipFile, "namelist", namelist)  # noqa: B010


def name_batches_as_aws_does() -> None:
    """Let sqs:SendMessage allow SendMessageBatch, and so on.

    AWS knows no action of the batches' names; a policy that grants one grants nothing.
    """
    try:
        from ministack.core import iam_actions
    except ImportError:
        return
    extract = iam_actions.extract_iam_action

    def extract_iam_action(*args: object) -> str | None:
        action: str | None = extract(*args)
        if action and action.startswith("sqs:"):
            return action.removesuffix("Batch")
        return action

    iam_actions.extract_iam_action = extract_iam_action


def name_leading_keys() -> None:
    """Say whose item a request is about, so that a role can be held to `dynamodb:LeadingKeys`.

    Of the names our tables' partition keys have, the one that is there: a body does not say which
    attribute it is.
    """
    try:
        from ministack.core import iam_actions
    except ImportError:
        return
    context_of = iam_actions.dynamodb_service_context

    def dynamodb_service_context(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = context_of(body)
        try:
            request = json.loads(body or b"{}")
            item = request.get("Item") or request.get("Key") or {}
            found = next(item[name] for name in PARTITION_KEYS if name in item)
        except (ValueError, AttributeError, StopIteration):
            return context
        return {**context, "dynamodb:LeadingKeys": list(found.values())}

    iam_actions.dynamodb_service_context = dynamodb_service_context


def write_calls(path: Path) -> None:
    """Append a line for each call that a role was denied, and each new kind that it was allowed.

    Written where IAM decides, on the server: whatever client a function uses, what it asked for is
    here, each item of a transaction by itself. Of the request's context, the keys that the role's
    own conditions name are kept, and the prefix of a listing.
    """
    try:
        from ministack.core import iam_evaluator
    except ImportError:
        return
    evaluate, enforce = iam_evaluator.evaluate, iam_evaluator.enforce
    seen: set[str] = set()
    asked: list[tuple[Any, Any]] = []

    def evaluate_and_keep(ctx: Any, policies: Any, *limits: Any) -> Any:
        asked.append((ctx, policies))  # the role's own policies come first, a resource's after
        return evaluate(ctx, policies, *limits)

    def enforce_and_write(*args: Any, **more: Any) -> Any:
        asked.clear()
        denied = enforce(*args, **more)
        if asked and ":assumed-role/" in asked[0][0].principal_arn:
            line = json.dumps(_call(*asked[0], allowed=denied is None))
            if line not in seen:
                with path.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")
            if denied is None:
                seen.add(line)
        return denied

    iam_evaluator.evaluate, iam_evaluator.enforce = evaluate_and_keep, enforce_and_write


def _call(ctx: Any, policies: Any, *, allowed: bool) -> dict[str, Any]:
    named = {"s3:prefix"} | {
        key.lower()
        for statements in policies
        for statement in statements
        for block in statement.conditions.values()
        for key in block
    }
    return {
        "function": ctx.principal_arn.rpartition("/")[2],
        "action": ctx.action,
        "resource": ctx.resource_arn,
        "context": {k: v for k, v in sorted(ctx.service_context.items()) if k in named},
        "allowed": allowed,
    }
