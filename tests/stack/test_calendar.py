"""`payvand calendar` on the deployed stack: what is declared is where settlement looks."""

import datetime as dt
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from payvand_cli import handle
from payvand_cli.doors import Doors
from payvand_cli.main import app
from tests.support.local_stack import LocalStack


@pytest.fixture(autouse=True)
def _home(local_stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle.write(local_stack.local, tmp_path / "local.json")
    monkeypatch.setenv("PAYVAND_HOME", str(tmp_path))


def payvand(*words: str) -> Result:
    done = CliRunner().invoke(app, ["calendar", *words])
    assert done.exit_code == 0, done.output
    return done


def test_a_day_is_closed_and_left_to_the_calendar_again(local_stack: LocalStack) -> None:
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(60)
    settlements = Doors(local_stack.stack).settlements
    payvand("close", "TRY", day.isoformat(), "--why", "the bank moves house")
    assert settlements.declared("TRY")[day].why == "the bank moves house"
    told = json.loads(payvand("--currency", "TRY", "--days", "70", "--json").stdout)
    (shown,) = [one for one in told["days"] if one["day"] == day.isoformat()]
    assert (shown["open"], shown["declared"]["open"], told["declarations_read"]) == (
        False,
        False,
        True,
    )
    payvand("forget", "TRY", day.isoformat())
    assert day not in settlements.declared("TRY")
