"""Keep the emulator and every handler it starts on this machine, and its cold starts short.

Python imports this file by itself at start-up because the emulator runs with this folder on
PYTHONPATH, and its workers inherit that. An audit hook sees every socket call, whatever library
makes it, and cannot be removed by the code it watches. Refusal is an OSError, so a handler meets
it like any broken connection; the reason goes to its log.
"""

import ipaddress
import os
import sys
import threading
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS_AT = {"socket.connect": 1, "socket.bind": 1, "socket.sendto": 1, "socket.sendmsg": 1}
LARGE = 1_000_000
"""Bytes of an archive worth sharing."""
NAME_AT = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0}


def stays_here(host: object) -> bool:
    """Whether a host, as a socket call names it, is this machine."""
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return host is None
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse(event: str, host: object) -> Never:
    """Say what was tried where the handler's log shows it, and stop it."""
    reason = f"local stack: {event} to {host!r} refused, only this machine can be reached"
    print(reason, file=sys.stderr, flush=True)
    raise PermissionError(reason)


def watch(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: look at socket calls, ignore everything else."""
    if event in ADDRESS_AT:
        address = args[ADDRESS_AT[event]]
        # Unix sockets have paths, netlink has numbers; only internet addresses name a host.
        host = address[0] if isinstance(address, tuple) and address else None
        if isinstance(host, str) and not stays_here(host):
            refuse(event, host)
    elif event in NAME_AT and not stays_here(args[NAME_AT[event]]):
        refuse(event, args[NAME_AT[event]])


def die_with_parent() -> None:
    """Wait for the end of standard input, which the parent holds open, then end this process.

    The kernel closes the pipe whatever way the parent died, `kill -9` included.
    """
    while os.read(0, 1):
        pass
    os._exit(0)


def unpack_once() -> None:
    """Make a second unpacking of the same large archive a tree of hard links to the first.

    The emulator unpacks the layer, 30 MB in a thousand files, for each worker it starts, and
    answers nobody meanwhile. Workers only read it; its bytecode is inside.
    """
    unpack = zipfile.ZipFile.extractall
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
        first = kept / hashlib.blake2b(source.read_bytes()).hexdigest()[:32]
        with lock:
            if not first.exists():
                draft = first.with_suffix(".new")
                unpack(archive, draft, members, pwd)
                draft.rename(first)
        shutil.copytree(first, path, copy_function=os.link, dirs_exist_ok=True)

    setattr(zipfile.ZipFile, "extractall", extractall)  # noqa: B010 - a method is replaced


sys.addaudithook(watch)
if os.environ.pop("PAYVAND_LIFELINE", None):
    # Only the emulator itself: workers start without what is imported here.
    import hashlib
    import shutil
    import zipfile
    from pathlib import Path

    unpack_once()
    threading.Thread(target=die_with_parent, name="lifeline", daemon=True).start()
