"""What each function loads at a cold start: every costly library has a reason, the rest is counted.

Python's own light modules are not listed; a count per function keeps them from creeping in.
"""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.cold.starts import start
from tests.support import template

COSTLY: Final = frozenset(
    {
        *("asyncio", "concurrent", "ctypes", "decimal", "email", "html", "http", "logging"),
        *("multiprocessing", "pathlib", "random", "secrets", "ssl", "subprocess", "tempfile"),
        *("traceback", "unittest", "urllib3", "uuid", "xml", "zipfile"),
    }
)
"""Of Python's own. Whatever does not come with Python is costly until it is listed below."""
PYDANTIC: Final = frozenset(
    {
        *("annotated_types", "decimal", "email", "pathlib", "pydantic", "pydantic_core", "random"),
        *("secrets", "tempfile", "typing_extensions", "typing_inspection", "uuid", "zipfile"),
    }
)
URLLIB3: Final = frozenset(
    {
        *("email", "http", "logging", "pathlib", "random", "ssl", "tempfile", "traceback"),
        *("urllib3", "zipfile"),
    }
)
MODELS: Final = "its bodies and answers are pydantic models"
MAY: Final[dict[str, tuple[frozenset[str], str]]] = {
    "Reference": (frozenset({"html", "pathlib"}), "serves the files of its package, escaped"),
    "PaymentStatus": (PYDANTIC, MODELS),
    "Checkout": (frozenset({"pathlib"}), "finds its pages' texts"),
    "PspCallback": (frozenset({"pathlib"}), "finds its pages' texts"),
    "Refund": (PYDANTIC, MODELS),
    "Announce": (PYDANTIC, "events are pydantic models"),
    "MerchantNotify": (URLLIB3, "every message is a request to a merchant's server"),
    "Webhooks": (PYDANTIC, MODELS),
    "Report": (PYDANTIC, MODELS),
    "PayoutAsk": (PYDANTIC, MODELS),
    "Settle": (
        frozenset({"decimal", "msgspec", "typing_extensions", "uuid"}),
        "reads a million items of a day by a typed decoder",
    ),
    "Reconcile": (frozenset({"decimal"}), "amounts of reports are exact decimals"),
    "Statements": (PYDANTIC, MODELS),
}
"""Function → what it may load, and why. One that is not named loads nothing costly."""
MODULES: Final = {
    "Authorize": 122, "Reference": 109, "PaymentInit": 135, "PaymentStatus": 232, "Checkout": 145,
    "PspCallback": 145, "PaymentVerify": 125, "PaymentTimer": 125, "Refund": 232, "Announce": 222,
    "MerchantNotify": 225, "Webhooks": 227, "Settle": 148, "Payout": 125, "PayoutFile": 133,
    "Report": 233, "PayoutAsk": 230, "Statements": 243, "Reconcile": 146,
}  # fmt: skip
"""Modules loaded when a function is ready. When it becomes fewer, write it here."""
PATCH: Final = 5
"""Releases of one Python differ by a few."""
LAB: Final = "Lab"
"""Plays the outside parties; its AWS client is boto3's, so that a fault of ours is not its too."""
FUNCTIONS: Final = [name for name in template.functions() if name != LAB]
BIG_CLIENT: Final = frozenset({"boto3", "botocore"})


def roots(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def costly(modules: list[str]) -> set[str]:
    known = {*sys.stdlib_module_names, "__main__", "functions", "payvand"}
    named = {name for name in roots(modules) if not name.startswith("_")}
    return named & COSTLY | named - known


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_costly_has_a_reason(built: Path, function: str) -> None:
    may, _ = MAY.get(function, (frozenset[str](), ""))
    assert costly(start(built, function)["loaded"]) == may


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_module_creeps_in(built: Path, function: str) -> None:
    loaded = start(built, function)["loaded"]
    assert abs(len(loaded) - MODULES[function]) <= PATCH, loaded


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_of_ours_imports_the_big_client(built: Path, function: str) -> None:
    """S3 asks for it by way of the wiring; no module does by being imported."""
    found = start(built, function)
    assert not roots(found["loaded"] + found["later"]) & BIG_CLIENT


def test_the_lab_is_told_apart(built: Path) -> None:
    assert roots(start(built, LAB)["loaded"]) >= BIG_CLIENT
    assert MODULES.keys() | {LAB} == template.functions().keys()
