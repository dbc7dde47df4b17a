"""What each candidate ships, laid out as Lambda lays it out, compiled or not.

Ours is what `sam build` leaves: the function's folder and the layer. Every other candidate is its
own code and the installed files of the distributions it asks for, and theirs. "The runtime" is
what Lambda brings for everybody: boto3 and what it needs.
"""

import compileall
import fcntl
import hashlib
import importlib.metadata
import os
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
WORK: Final = Path(os.environ.get("PAYVAND_BENCH_WORK") or ROOT / ".local" / "bench-work")
PEERS: Final = ROOT / "bench" / "peers"
LAYER: Final = "SharedLayer"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BUILD: Final = """
import sys
from pathlib import Path
from payvand_cli import build, paths
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
build.build(build.Sam(paths.Site(folder, folder / "local.json", 0)))
"""


@contextmanager
def alone(work: Path = WORK) -> Iterator[None]:
    """Nobody else measures in this folder meanwhile: two would build under each other's feet."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(work: Path = WORK) -> Path:
    """The product as SAM builds it, by the same code that deploys it locally."""
    folder = work / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    command = [str(ROOT / ".venv" / "bin" / "python"), "-c", _BUILD, str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env=env)
    return folder / "build"


def closure(names: Iterable[str]) -> list[Distribution]:
    """These distributions and all they need here."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name, _, extras = waiting.pop().partition("[")
        wanted = set(extras.rstrip("]").split(",")) - {""}
        distribution = importlib.metadata.distribution(name)
        key = f"{distribution.name.lower()}[{extras}"
        if key in found:
            continue
        found[key] = distribution
        waiting += [need for text in distribution.requires or () for need in _needs(text, wanted)]
    return list({d.name: d for d in found.values()}.values())


def _needs(requirement: str, extras: set[str]) -> list[str]:
    """The name (with extras) of a requirement that holds here, in a list, or nothing."""
    text, _, marker = requirement.partition(";")
    asked = re.search(r"extra\s*==\s*[\"']([^\"']+)[\"']", marker)
    if asked and asked[1] not in extras:
        return []
    name = NAME.match(text)
    assert name is not None
    try:
        importlib.metadata.distribution(name[0])
    except importlib.metadata.PackageNotFoundError:
        return []  # for another system or Python
    inner = re.search(r"\[([^\]]+)\]", text)
    return [f"{name[0]}[{inner[1].replace(' ', '')}]" if inner else name[0]]


def lay_out(
    target: Path, names: Iterable[str], *, own: str | None = None, without: Iterable[str] = ()
) -> Path:
    """A folder with these distributions and a peer's own code, compiled; kept until they change."""
    brought = {d.name for d in closure(without)}
    distributions = [d for d in closure(names) if d.name not in brought]
    source = PEERS / own if own else None
    stamp = target / ".stamp"
    wanted = _stamp(distributions, source)
    if stamp.exists() and stamp.read_text() == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for distribution in distributions:
        _copy(distribution, target)
    if source:
        (target / "peers").mkdir()
        shutil.copyfile(PEERS / "__init__.py", target / "peers" / "__init__.py")
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / "peers" / source.name, ignore=ignore)
        else:
            shutil.copyfile(source, target / "peers" / source.name)
    compile_(target)
    stamp.write_text(wanted)
    return target


def _copy(distribution: Distribution, target: Path) -> None:
    for file in distribution.files or ():
        if file.parts[0] in {"..", "."} or "__pycache__" in file.parts:
            continue
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), place)


def _stamp(distributions: list[Distribution], source: Path | None) -> str:
    """What a laid out folder depends on."""
    files = sorted(source.rglob("*.py")) if source and source.is_dir() else [source]
    own = hashlib.sha256(b"".join(f.read_bytes() for f in files if f)).hexdigest()
    versions = sorted(f"{d.name} {d.version}" for d in distributions)
    return "\n".join([sys.version, own, *versions])


def compile_(folder: Path) -> None:
    """Bytecode beside the source, valid whatever the times of the files."""
    compileall.compile_dir(
        folder,
        quiet=2,
        force=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def without_bytecode(folder: Path, target: Path) -> Path:
    """The same folder as a plain `sam build` would have left it."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def size(*folders: Path) -> int:
    """Bytes of all files."""
    return sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())


def interpreter() -> str:
    """Python itself, without an environment's own packages."""
    return str(getattr(sys, "_base_executable", sys.executable))
