"""`payvand story` and `payvand settle` on the deployed stack, as a stranger would read them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from payvand_cli import fire, handle
from payvand_cli.main import app
from tests.stack.shops import Merchant, open_shop
from tests.support.local_stack import LocalStack


@pytest.fixture
def merchant(local_stack: LocalStack) -> Iterator[Merchant]:
    with open_shop(local_stack, "Story Shop") as shop:
        yield shop


@pytest.fixture(autouse=True)
def _home(local_stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle.write(local_stack.local, tmp_path / "local.json")
    monkeypatch.setenv("PAYVAND_HOME", str(tmp_path))


def payvand(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_a_payments_story_has_everything_but_the_payer(
    merchant: Merchant, local_stack: LocalStack
) -> None:
    day = merchant.afternoon()
    payment = merchant.paid()
    refund = {"amount": 50_201}
    merchant.shop.post(f"/payments/{payment['id']}/refunds", refund)
    merchant.after(day)
    assert payvand("settle", "--date", day.isoformat(), "--merchant", merchant.id).exit_code == 0
    fire.run(local_stack.stack, "SettleSchedule", merchant.now())
    merchant.until(lambda: merchant.told(payment["id"], "payment.executed.v1"))
    (payout,) = merchant.shop.all("/payouts")

    told = payvand("story", payment["id"])
    assert told.exit_code == 0, told.output
    for part in (
        "Story Shop",
        "receivable:zarinpal +250,000",
        "payable:merchant +50,201",
        "payable:merchant -50,201",
        "refund_failed",
        "seal 1",
        payout["id"],
        "holds",
        "its entries",
        "payment.executed.v1",
        "payment_init",
        "merchant_notify",
    ):
        assert part in told.output, part
    assert "kept encrypted" in told.output
    assert "somebody.paying" not in told.output

    told = payvand("story", payout["id"])
    assert told.exit_code == 0, told.output
    for part in (
        payment["id"],
        f"{payout['amount']:,} IRR",
        payout["digest"],
        "holds",
        "Bank files",
    ):
        assert part in told.output, part

    told = payvand("story", merchant.id)
    assert told.exit_code == 0, told.output
    for part in ("Story Shop", payout["id"], "Webhook endpoints", "Deliveries not through"):
        assert part in told.output, part


def test_settle_seals_what_is_closed_and_refuses_what_is_not(merchant: Merchant) -> None:
    day = merchant.afternoon()
    merchant.paid()
    early = payvand("settle", "--date", day.isoformat(), "--merchant", merchant.id)
    assert early.exit_code == 1
    assert f"{day} of {merchant.book.key} is not closed yet" in early.output
    merchant.after(day)
    made = payvand("settle", "--merchant", merchant.id)
    assert made.exit_code == 0, made.output
    assert "seal 1" in made.output and "1 entries, payout po_" in made.output
    again = payvand("settle", "--merchant", merchant.id)
    assert "nothing to seal" in again.output


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("pay_00000000000000000000000000", "not an id"),
        ("hello", "is no payment (pay_…), payout (po_…) or merchant (mer_…)"),
        ("mer_ZZZZZ9", "mer_ZZZZZ9"),
    ],
)
def test_an_unknown_id_is_said_to_be_unknown(id: str, said: str) -> None:
    told = payvand("story", id)
    assert told.exit_code == 1
    assert said in told.output


def test_a_missing_payment_is_said_to_be_missing(merchant: Merchant) -> None:
    id = merchant.create()["id"]
    told = payvand("story", id[:-1] + ("0" if id[-1] != "0" else "1"))
    assert told.exit_code == 1
    assert "no payment" in told.output
