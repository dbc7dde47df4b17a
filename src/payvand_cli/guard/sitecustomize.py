"""Keep the emulator and every handler it starts on this machine.

Python imports this file by itself at start-up because the emulator runs with this folder on
PYTHONPATH, and its workers inherit that. An audit hook sees every socket call, whatever library
makes it, and cannot be removed by the code it watches. Refusal is an OSError, so a handler meets
it like any broken connection; the reason goes to its log.
"""

import ipaddress
import os
import sys
from typing import Never

ADDRESS_AT = {"socket.connect": 1, "socket.bind": 1, "socket.sendto": 1, "socket.sendmsg": 1}
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


sys.addaudithook(watch)
if os.environ.pop("PAYVAND_LIFELINE", None):
    import emulator_only

    emulator_only.prepare()
