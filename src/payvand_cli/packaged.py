"""What `sam deploy` uploaded last time, kept so that an unchanged tree deploys in a second.

The emulator starts empty each time. When nothing that SAM reads has changed, building and
uploading again would put back the same bytes; so the very objects and the template SAM made are
kept by the digest of their sources, and put back with the AWS calls SAM would make.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from payvand_cli import paths
from payvand_cli.stack import Stack

BUCKET = "payvand-artifacts"
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
KEPT = paths.LOCAL / "packaged"
SOURCES = (
    "functions",
    "layers",
    "requirements/layer.txt",
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
    """Keep the deployed stack's artifacts and template; older ones go."""
    KEPT.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=KEPT, prefix="."))
    for item in stack.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        target = draft / "objects" / item["Key"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(stack.s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read())
    original: Any = stack.cloudformation.get_template(
        StackName=stack.name, TemplateStage="Original"
    )["TemplateBody"]
    text = original if isinstance(original, str) else json.dumps(original)
    (draft / "template").write_text(text)
    for older in KEPT.iterdir():
        if older != draft:
            shutil.rmtree(older, ignore_errors=True)
    draft.rename(KEPT / key)


def kept(key: str) -> Path | None:
    """Where the artifacts of these sources are, if they are."""
    return KEPT / key if (KEPT / key / "template").exists() else None


def deploy(stack: Stack, folder: Path, parameters: dict[str, str]) -> None:
    """Put the artifacts back and create the stack.

    Raises:
        DeployFailed: with the events of what failed.
    """
    for file in (folder / "objects").rglob("*"):
        if file.is_file():
            key = str(file.relative_to(folder / "objects"))
            stack.s3.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
    stack.cloudformation.create_stack(
        StackName=stack.name,
        TemplateBody=(folder / "template").read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=CAPABILITIES,  # type: ignore[arg-type]
    )
    waiter = stack.cloudformation.get_waiter("stack_create_complete")
    waiter.config.delay = 0.05  # type: ignore[attr-defined]
    waiter.config.max_attempts = 600  # type: ignore[attr-defined]
    try:
        waiter.wait(StackName=stack.name)
    except Exception as error:
        raise DeployFailed(_reasons(stack)) from error


def _reasons(stack: Stack) -> str:
    events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    failed = [e for e in events if e.get("ResourceStatus", "").endswith("FAILED")]
    return "\n".join(
        f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', 'no reason given')}"
        for e in failed
    )
