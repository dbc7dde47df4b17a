"""The AWS emulator as a child process: MiniStack, on loopback, with IAM enforced."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from payvand_cli import paths
from payvand_cli.paths import Site

READY_S = 30.0


class EmulatorFailed(Exception):
    """It did not come up, or it ended by itself."""


def environment(site: Site) -> dict[str, str]:
    """What the emulator sees, and nothing else: its workers inherit every variable."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(site.emulator_port),
        "AUTH": "true",
        # Its MQTT broker would listen on every interface, whatever BIND_HOST says.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_WARM_TTL_SECONDS": "60",
        "TMPDIR": str(site.scratch),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PYTHONPATH": str(paths.GUARD),
        "PAYVAND_LIFELINE": "1",
        "PAYVAND_CALLS": str(site.calls),
    }


class Emulator:
    """The running child. It ends with this process, however this process ends."""

    def __init__(self, site: Site) -> None:
        self.site = site
        shutil.rmtree(site.scratch, ignore_errors=True)
        site.scratch.mkdir(parents=True)
        site.calls.unlink(missing_ok=True)
        with site.log("emulator").open("wb") as log:
            self.child = subprocess.Popen(
                [str(paths.EMULATOR_PYTHON), "-m", "ministack"],
                cwd=site.folder,
                env=environment(site),
                stdin=subprocess.PIPE,  # never written; its end is what the lifeline waits for
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
            )

    def wait_until_ready(self) -> None:
        """Return once it answers.

        Raises:
            EmulatorFailed: with the end of its log.
        """
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            answered = self._answers()
            if self.child.poll() is not None:
                # Somebody else may have answered on our port: only a living child counts.
                raise EmulatorFailed(self._last_words("ended at once"))
            if answered:
                return
            time.sleep(0.02)
        raise EmulatorFailed(self._last_words(f"was not ready in {READY_S:.0f} s"))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"{self.site.endpoint}/_ministack/ready", timeout=1
            ) as reply:
                return bool(reply.status == 200)
        except (OSError, http.client.HTTPException):
            return False  # a port nobody listens on may answer itself: it says what was asked

    def _last_words(self, what: str) -> str:
        text = self.site.log("emulator").read_text(errors="replace")[-1500:]
        return f"the emulator {what} ({self.site.log('emulator')})\n{text}"

    def stop(self) -> None:
        """End the child with all its workers, and forget what it wrote.

        At once: nothing is persisted, so there is nothing to say good-bye for. The child leads a
        session of its own, and its workers are in its group, so none of them outlives this call.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        if self.child.stdin:
            self.child.stdin.close()
        shutil.rmtree(self.site.scratch, ignore_errors=True)
