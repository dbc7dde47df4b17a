"""What a fresh stack starts with: a test merchant, its key, its channels, its webhook inbox."""

import datetime as dt
import json
import secrets
import urllib.request
import uuid
from typing import Any, Final

from payvand.edge.api import SCOPES
from payvand.edge.vault import Vault
from payvand.ids import merchant_id
from payvand.merchant import Contract, Merchant, Payee
from payvand.store.merchants import ApiKey, Merchants
from payvand.store.table import Table
from payvand_cli.stack import Stack

SINCE_DAYS: Final = 3
"""The merchant's books begin a few days back, so that a first settlement spans quiet days too."""


def iban(account: str) -> str:
    """An Iranian IBAN around 22 digits of account, with its check digits (ISO 13616, mod 97)."""
    assert len(account) == 22
    number = int(account + "182700")  # I = 18, R = 27
    return f"IR{98 - number % 97:02d}{account}"


def seed(stack: Stack, api_url: str) -> dict[str, str]:
    """Fill an empty stack; what callers need to know goes into `.payvand/local.json`."""
    _open_channels(stack, api_url)
    _open_banks(stack)
    made = add_merchant(stack, "فروشگاه نمونه", iban("0170000000" + "123456789088"))
    endpoint = _call(
        f"{api_url}/webhook_endpoints",
        {"url": f"{api_url}/lab/webhooks/{made['merchant_id']}"},
        made["api_key"],
    )
    return {
        **made,
        "webhook_endpoint_id": endpoint["id"],
        "webhook_secret": endpoint["secret"],
        "webhook_inbox": f"{api_url}/lab/webhooks/{made['merchant_id']}",
    }


def add_merchant(stack: Stack, name: str, account: str, **changes: Any) -> dict[str, str]:
    """A test merchant with every channel and a key with every scope."""
    out = stack.outputs
    merchants = Merchants(
        Table(stack.dynamodb, out["MerchantsTable"]), Table(stack.dynamodb, out["KeysTable"])
    )
    id = merchant_id(secrets.randbits(26))
    fields: dict[str, Any] = {
        "id": id,
        "name": name,
        "since": dt.datetime.now(dt.UTC).date() - dt.timedelta(SINCE_DAYS),
        "contracts": (Contract("zarinpal"), Contract("noticebank")),
        "payees": (payee(stack, id, account, name),),
    }
    merchants.put(Merchant(**(fields | changes)))
    api_key = add_key(stack, id, SCOPES)
    return {"merchant_id": id, "api_key": api_key}


def payee(stack: Stack, merchant: str, account: str, name: str, **terms: int) -> Payee:
    """An account of a merchant, as settlement pays to it."""
    sealed = Vault(stack.kms, stack.outputs["DataKey"]).seal(account.encode(), merchant)
    return Payee(sealed, account[-4:], name, **terms)


def add_key(stack: Stack, merchant: str, scopes: tuple[str, ...]) -> str:
    """A test key of a merchant."""
    out = stack.outputs
    merchants = Merchants(
        Table(stack.dynamodb, out["MerchantsTable"]), Table(stack.dynamodb, out["KeysTable"])
    )
    api_key = f"pv_test_{secrets.token_urlsafe(32)}"
    merchants.put_key(api_key, ApiKey(merchant, "test", scopes, revoked=False, expires_at_ms=None))
    return api_key


def _open_channels(stack: Stack, api_url: str) -> None:
    """Contracts with the lab's parties, as an operator makes them with real ones."""
    shop = _call(f"{api_url}/lab/noticebank/shops", {})
    zarinpal = str(uuid.uuid4())
    channels = {
        "zarinpal": {
            "default": {
                "api_url": f"{api_url}/lab/zarinpal",
                "graphql_url": f"{api_url}/lab/zarinpal/api/v4/graphql/",
                "merchant_id": zarinpal,
                "access_token": f"lab-{zarinpal}",
            }
        },
        "noticebank": {"default": {"api_url": f"{api_url}/lab/noticebank", **shop}},
    }
    stack.secrets.put_secret_value(
        SecretId=stack.outputs["ChannelSecretTest"], SecretString=json.dumps(channels)
    )


def _open_banks(stack: Stack) -> None:
    """Accounts that payout files are paid from: the lab's euro bank, and people with tables."""
    banks = {
        "EUR": {"debtor_iban": "LV94LABB0000000000001", "debtor_name": "Payvand"},
        "RUB": {"debtor_iban": "", "debtor_name": "Payvand"},
        "TRY": {"debtor_iban": "", "debtor_name": "Payvand"},
    }
    stack.secrets.put_secret_value(
        SecretId=stack.outputs["BankSecretTest"], SecretString=json.dumps(banks)
    )


def _call(url: str, body: dict[str, Any], api_key: str | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=40) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
