"""Where things are in this checkout."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
# PAYVAND_TEMPLATE lets tests of the command itself deploy something small.
TEMPLATE = Path(os.environ.get("PAYVAND_TEMPLATE") or ROOT / "template.yaml").resolve()
DATA_TEMPLATE = "data.yaml"

UV = LOCAL / "uv" / "bin" / "uv"
SAM = LOCAL / "sam" / "bin" / "sam"
EMULATOR_PYTHON = LOCAL / "emulator" / "bin" / "python"
DEV_BIN = ROOT / ".venv" / "bin"
GUARD = Path(__file__).resolve().parent / "guard"
# Never shared with a build for the cloud: the cache does not know which machine it built for.
SAM_CACHE = LOCAL / "sam-cache"

ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def data_beside(template: Path) -> Path | None:
    """The template of what `template` imports; something small has none."""
    found = template.with_name(DATA_TEMPLATE)
    return found if found.exists() else None


@dataclass(frozen=True)
class Site:
    """One local stack: its ports and the folder that holds all it writes."""

    folder: Path
    handle: Path
    port: int

    @property
    def emulator_port(self) -> int:
        """The emulator listens right beside the front door."""
        return self.port + 1

    @property
    def endpoint(self) -> str:
        """Where AWS clients find the emulator."""
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def url(self) -> str:
        """Where everybody else finds the product."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def scratch(self) -> Path:
        """TMPDIR of the emulator; wiped before it starts and after it stops."""
        return self.folder / "tmp"

    @property
    def build(self) -> Path:
        """What `sam build` leaves."""
        return self.folder / "build"

    @property
    def processes(self) -> Path:
        """Who runs this stack, for whoever comes after a crash."""
        return self.folder / "processes.json"

    @property
    def calls(self) -> Path:
        """What the functions' roles were allowed and denied, a line for each kind of call."""
        return self.folder / "calls.jsonl"

    def log(self, name: str) -> Path:
        """The log file of one step."""
        return self.folder / f"{name}.log"


def site(port: int) -> Site:
    """The one stack `payvand up` runs from this checkout.

    PAYVAND_HOME moves what it writes, so that a test's stack and a person's do not meet.
    """
    home = os.environ.get("PAYVAND_HOME")
    if home:
        return Site(Path(home) / "up", Path(home) / "local.json", port)
    return Site(LOCAL / "up", ROOT / ".payvand" / "local.json", port)
