"""What `sam deploy` uploaded last time, kept so that an unchanged tree deploys in a second.

The emulator starts empty each time. When nothing that SAM reads has changed, building and
uploading again would put back the same bytes; so the very objects and the template SAM made are
kept by the digest of their sources, and put back with the AWS calls SAM would make.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from payvand_cli import paths
from payvand_cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import CapabilityType

BUCKET = "payvand-artifacts"
CAPABILITIES: tuple["CapabilityType", ...] = (
    "CAPABILITY_IAM",
    "CAPABILITY_NAMED_IAM",
    "CAPABILITY_AUTO_EXPAND",
)
KEPT_MAX = 4
POLL_S = 0.05
KEPT = paths.LOCAL / "packaged"
SOURCES = (
    "functions",
    "layers",
    "requirements/layer.txt",
    "requirements/papers.txt",
    "requirements/sam.txt",
    "samconfig.toml",
)


class DeployFailed(Exception):
    """The stack did not come up."""


def digest(template: Path) -> str:
    """One digest of everything that goes into a build for this machine."""
    found = hashlib.sha256(f"{paths.ARCHITECTURE} {sys.version} {template}".encode())
    for file in [template, *_files(template.parent)]:
        content = file.read_bytes()
        found.update(f"{file.relative_to(template.parent)}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def _files(root: Path) -> list[Path]:
    everything: list[Path] = []
    for source in (root / name for name in SOURCES):
        everything += source.rglob("*") if source.is_dir() else [source]
    return sorted(f for f in everything if f.is_file() and "__pycache__" not in f.parts)


def keep(stack: Stack, key: str) -> None:
    """Keep the deployed stack's artifacts and template; the oldest go."""
    KEPT.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=KEPT, prefix="."))
    for item in stack.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        target = draft / item["Key"]
        target.write_bytes(stack.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read())
    shutil.rmtree(KEPT / key, ignore_errors=True)
    draft.rename(KEPT / key)
    newest_first = sorted(KEPT.iterdir(), key=lambda kept: kept.stat().st_mtime, reverse=True)
    for older in newest_first[KEPT_MAX:]:
        shutil.rmtree(older, ignore_errors=True)


def kept(key: str) -> Path | None:
    """Where the artifacts of these sources are, if they are."""
    return KEPT / key if (KEPT / key).is_dir() else None


def deploy(stack: Stack, folder: Path, parameters: Mapping[str, str]) -> None:
    """Put the artifacts back and create the stack.

    Raises:
        DeployFailed: with the events of what failed.
    """
    for file in folder.iterdir():
        stack.s3.put_object(Bucket=BUCKET, Key=file.name, Body=file.read_bytes())
    (template,) = folder.glob("*.template")
    url = f"{stack.endpoint}/{BUCKET}/{template.name}"
    create(stack, parameters, TemplateURL=url, Capabilities=CAPABILITIES)


def create(stack: Stack, parameters: Mapping[str, str], **template: Any) -> None:
    """Create a stack and wait for it; `template` is what CloudFormation's own call takes.

    Raises:
        DeployFailed: with the events of what failed.
    """
    try:
        stack.cloudformation.create_stack(
            StackName=stack.name,
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            **template,
        )
        waiter = stack.cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName=stack.name, WaiterConfig={"Delay": POLL_S, "MaxAttempts": 600})  # type: ignore[typeddict-item]
    except (ClientError, WaiterError) as error:
        raise DeployFailed(
            f"stack {stack.name} did not come up: {error}\n{_reasons(stack)}"
        ) from error


def _reasons(stack: Stack) -> str:
    try:
        events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    except ClientError:
        return ""  # it was never begun
    return "\n".join(
        f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', 'no reason given')}"
        for e in events
        if e.get("ResourceStatus", "").endswith("FAILED")
    )
