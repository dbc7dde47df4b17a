"""Build the templates and deploy them to the emulator: what holds data first, as it is."""

import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from payvand_cli import cloudformation, packaged, paths
from payvand_cli.paths import Site
from payvand_cli.stack import CREDENTIALS, DATA_NAME, REGION, Stack


class StepFailed(Exception):
    """A SAM step failed; the text holds the end of its log."""


def declared_parameters(template: Path) -> set[str]:
    """Names of the template's parameters."""
    return set(cloudformation.read(template.read_text()).get("Parameters") or {})


def environment(site: Site) -> dict[str, str]:
    """What SAM sees: no AWS settings of the person who runs it, our endpoint and our tools."""
    dropped = ("AWS_", "PYTHON", "SAM_", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return env | {
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.1",
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": site.endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LOCAL": "1",
        "UV": str(paths.UV),
        "LAYER_PYTHON": str(paths.DEV_BIN / "python"),
        "PATH": f"{paths.DEV_BIN}:{os.environ.get('PATH', os.defpath)}",
    }


class Sam:
    """SAM commands for one site, one at a time, each with its log; they end when told."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, step: str, *args: str) -> None:
        """Run one command.

        Raises:
            StepFailed: with the end of its log.
        """
        with self.site.log(step).open("wb") as log, self._lock:
            if self._stopped:
                raise StepFailed(f"sam {step}: not started any more")
            self._child = subprocess.Popen(
                [str(paths.SAM), step, "--config-env", "local", *args],
                cwd=paths.ROOT,
                env=environment(self.site),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that `stop` reaches make and uv
            )
        if self._child.wait():
            text = self.site.log(step).read_text(errors="replace")[-3000:]
            raise StepFailed(f"sam {step} failed ({self.site.log(step)})\n{text}")

    def stop(self) -> None:
        """End what runs, with all it started, and start nothing more."""
        with self._lock:
            self._stopped = True
            child = self._child
        if child and child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def cache(template: Path) -> Path:
    """Where builds are kept: SAM looks at a function's folder, not at the Makefile beside it."""
    makefile = template.parent / "functions" / "Makefile"
    content = makefile.read_bytes() if makefile.exists() else b""
    return paths.SAM_CACHE / hashlib.sha256(content).hexdigest()[:12]


def build(sam: Sam, template: Path = paths.TEMPLATE) -> None:
    """Build every function and the layer for this machine."""
    paths.LOCAL.mkdir(exist_ok=True)
    with FileLock(paths.LOCAL / "build.lock"):
        sam.run(
            "build",
            *("--template-file", str(template)),
            *("--cached", "--parallel", "--cache-dir", str(cache(template))),
            *("--build-dir", str(sam.site.build)),
            *("--parameter-overrides", f"Architecture={paths.ARCHITECTURE}"),
        )


def parameters(site: Site, template: Path) -> dict[str, str]:
    """The local values of the parameters the template has."""
    local = {
        "Local": "true",
        "Architecture": paths.ARCHITECTURE,
        "PublicBaseUrl": site.url,
        "WebhookAllowedHosts": f"127.0.0.1:{site.port}",
        "TestTimerSliceSeconds": "2",
        "LabControls": "open",
    }
    known = declared_parameters(template)
    return {name: value for name, value in local.items() if name in known}


def deploy_data(site: Site, template: Path) -> Stack:
    """Create the stack of what holds data in an empty emulator; nothing in it is built.

    Raises:
        DeployFailed: with the events of what failed.
    """
    stack = Stack(site.endpoint, DATA_NAME)
    packaged.create(stack, parameters(site, template), TemplateBody=template.read_text())
    return stack


def deploy(sam: Sam, stack: Stack, values: Mapping[str, str]) -> None:
    """Create the stack in an empty emulator with `sam deploy`."""
    sam.run(
        "deploy",
        *("--template-file", str(sam.site.build / "template.yaml"), "--stack-name", stack.name),
        *("--s3-bucket", packaged.BUCKET, "--region", REGION),
        *("--capabilities", *packaged.CAPABILITIES),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
        *(("--parameter-overrides",) if values else ()),
        *(f"{name}={value}" for name, value in values.items()),
    )
