"""`payvand up` and `payvand down`: the local stack from first process to last."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from payvand_cli import demo, handle, logs, paths, processes, seed, warm
from payvand_cli.build import StepFailed
from payvand_cli.emulator import EmulatorFailed
from payvand_cli.local import Running, bring_up, describe
from payvand_cli.packaged import DeployFailed
from payvand_cli.paths import Site
from payvand_cli.show import line, problem, step

FAILED, PORT_TAKEN = 1, 2
DETACH_S = 180.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Port = Annotated[int, typer.Option(min=1024, max=65534, help="Port of the front door.")]


@dataclass(frozen=True)
class _What:
    """What happens once it runs."""

    seed: bool
    demo: bool


def up(
    *,
    port: Port = 8080,
    play: Annotated[bool, typer.Option("--demo/--no-demo", help="Play a payment day.")] = True,
    fill: Annotated[bool, typer.Option("--seed/--no-seed", help="Seed it; needed to play.")] = True,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it runs.")] = False,
) -> None:
    """Start the local stack, play a payment day, follow the logs until Ctrl-C."""
    site = paths.site(port)
    what = _What(seed=fill, demo=fill and play)
    if detach:
        raise typer.Exit(_detached(site, what))
    _hear_endings()
    try:
        _clear(site)
        code = _run(site, what)
    except KeyboardInterrupt:
        code = 0
    except (EmulatorFailed, StepFailed, DeployFailed) as failure:
        problem(str(failure))
        raise typer.Exit(FAILED) from None
    line("stopped: no process, no port and no state is left")
    raise typer.Exit(code)


def _run(site: Site, what: _What) -> int:
    started = time.monotonic()
    try:
        with bring_up(site, report=step, pids={"up": os.getpid()}) as running:
            local = describe(running)
            if what.seed:
                if what.demo:
                    warm.begin(running.stack, site.url)
                with step("seeding", "merchant, keys and channels seeded"):
                    local |= seed.seed(running.stack, site.url)
            handle.write(local, site.handle)
            line(f"\n[bold]Payvand runs[/] [dim]after {time.monotonic() - started:.1f} s[/]")
            _addresses(site, local)
            code = demo.play(local) if what.demo else 0
            (site.folder / "ready").write_text(str(code))
            line("\n[dim]following the logs; Ctrl-C stops everything[/]")
            running.follower.listeners.append(logs.print_lines)
            with contextlib.suppress(KeyboardInterrupt):
                _wait(running)
            return code
    finally:
        _wipe(site)


def _wait(running: Running) -> None:
    """Until somebody ends us, or the emulator does not live any more."""
    while running.emulator.child.poll() is None:
        time.sleep(0.2)
    raise EmulatorFailed(
        f"the emulator ended by itself ({running.site.log('emulator')}); start again with: make up"
    )


def _addresses(site: Site, local: dict[str, Any]) -> None:
    shown = {
        "API": local["api_url"],
        "reference": f"{local['api_url']}/docs",
        "lab": local["lab_url"],
        "AWS endpoint": local["aws_endpoint"],
        "keys": os.path.relpath(site.handle),
    }
    for name, where in shown.items():
        line(f"  {name:<13} [cyan]{where}[/]")


def _hear_endings() -> None:
    """Whatever a script's shell set to be ignored, the three endings end us."""

    def ended(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)  # taking down is short and happens once
        raise KeyboardInterrupt

    for number in ENDINGS:
        signal.signal(number, ended)


def _clear(site: Site) -> None:
    """Take over from an earlier run, dead or alive; stop at strangers."""
    earlier = processes.recorded(site.processes)
    if earlier:
        line(f"taking over from an earlier run: {', '.join(f'pid {p.pid}' for p in earlier)}")
    in_the_way = processes.clear(site.processes, (site.port, site.emulator_port))
    _wipe(site)
    if in_the_way:
        problem(f"{'; '.join(in_the_way)}. Choose another port: make up PORT={site.port + 10}")
        raise typer.Exit(PORT_TAKEN)


def _wipe(site: Site) -> None:
    shutil.rmtree(site.scratch, ignore_errors=True)
    (site.folder / "ready").unlink(missing_ok=True)
    site.handle.unlink(missing_ok=True)


def down() -> None:
    """Stop what `up` started, whatever state it is in."""
    site = paths.site(0)
    running = processes.recorded(site.processes)
    for process in running:
        processes.stop(process)
    site.processes.unlink(missing_ok=True)
    _wipe(site)
    line("stopped" if running else "nothing was running")


def _detached(site: Site, what: _What) -> int:
    """Run `up` in a session of its own and show its output until it is ready."""
    site.folder.mkdir(parents=True, exist_ok=True)
    ready = site.folder / "ready"
    ready.unlink(missing_ok=True)
    output = site.log("up")
    with output.open("wb") as log:
        child = subprocess.Popen(
            [
                *(sys.executable, sys.argv[0], "up"),
                *("--port", str(site.port)),
                *("--demo" if what.demo else "--no-demo", "--seed" if what.seed else "--no-seed"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + DETACH_S
    with output.open(encoding="utf-8", errors="replace") as shown:
        while time.monotonic() < until:
            over, is_ready = child.poll(), ready.exists()
            sys.stdout.write(shown.read())
            sys.stdout.flush()
            if over is not None:
                return over or FAILED
            if is_ready:
                line(f"it runs as pid {child.pid}; its log is {output}; stop it with: make down")
                return int(ready.read_text() or 0)
            time.sleep(0.1)
    problem(f"not ready after {DETACH_S:.0f} s; see {output}")
    child.terminate()
    return FAILED
