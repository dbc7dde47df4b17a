"""What every test gets: no way out of this machine, no AWS settings of whoever runs it."""

import os

import pytest
from hypothesis import settings

from tests.support.local_stack import _bare, bare_emulator, bare_log, local_stack

__all__ = ["_bare", "bare_emulator", "bare_log", "local_stack"]

EMULATED = {"local_stack", "bare_emulator"}


def pytest_configure(config: pytest.Config) -> None:
    """Settle AWS's environment before anything imports boto3."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    # Two busy cores say nothing about how long an example takes.
    settings.register_profile("payvand", deadline=None, print_blob=True)
    settings.register_profile("quick", settings.get_profile("payvand"), max_examples=25)
    settings.load_profile(config.getoption("--hypothesis-profile") or "payvand")
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the deployed stack share a worker: there is one stack a session."""
    for item in items:
        if EMULATED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.xdist_group("stack"))
