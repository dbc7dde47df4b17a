"""The reader of POST /payments takes what the published model takes, and nothing else."""

import hashlib
import json
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.payment_init import wish
from functions.payment_init.wish import Wish, read
from payvand.edge.api import ERRORS_MAX, FIELD_MAX
from payvand.edge.views import CreatePayment, Payer
from payvand.errors import BadInput

BODY: Final = {
    "amount": 250_000,
    "currency": "IRR",
    "reference": "order-1",
    "return_url": "https://shop.example/done",
}
PAYER: Final = {
    "mobile": "۰۹۱۲ ۱۲۳ ۴۵۶۷",
    "email": "a@b.example",
    "name": "زهرا",
    "national_code": "0012345678",
}
CARD: Final = "4111 1111 1111 1111"
TEXTS: Final = (
    *("", "x", "سفارش", "🛒", CARD, CARD.replace(" ", ""), "a\u202eb", "a\nb", "\ud83d", "\ufffd"),
    *("IRR", "irr", "fa", "en", "zarinpal", "zarinpal\n", "Z", "1a", "a_1", "a" * 32, "a" * 33),
    *("09121234567", "+989121234567", "+98 912-123-4567", "٠٩١٢١٢٣٤٥٦٧", "+0123", "0012345678"),
    *("a@b.c", "a@b.c\n", "@b.c", "a @b.c", "a@b", "a\x1f@b.c", "۰۰۱۲۳۴۵۶۷۸", "001234567"),
    *("6219861012345678", "6219-8610-1234-5678", "https://shop.example/done?x=1", "http://["),
    *("https://u@h/", "ftp://h/", "https://h:99999/", "https://h/ ", "HTTPS://H/xx", "https://h/é"),
    *("javascript:x", "https://-h/xx", "//h/xxxxx"),
)
LENGTHS: Final = (1, 39, 40, 41, 63, 64, 65, 100, 101, 199, 200, 201, 254, 255, 256, 1999, 2001)
any_text = (
    st.sampled_from(TEXTS)
    | st.text(max_size=12)
    | st.builds(lambda letter, n: letter * n, st.sampled_from("xش1"), st.sampled_from(LENGTHS))
    | st.sampled_from(LENGTHS).map(lambda n: "https://h.example/".ljust(n, "a"))
)
number = st.sampled_from([0, 1, -1, 59, 60, 300, 900, 3600, 86_400, 10**15 - 1, 10**15, 10**40])
scalar = any_text | number | st.none() | st.booleans() | st.floats(allow_nan=False)
anything: st.SearchStrategy[Any] = (
    scalar
    | st.lists(scalar, max_size=7)
    | st.lists(st.sampled_from(["6219861012345678", "zarinpal"]), max_size=12)
    | st.dictionaries(any_text, scalar, max_size=4)
    | st.integers(19, 21).map(lambda n: {str(k): "v" for k in range(n)})
    | st.fixed_dictionaries({}, optional=dict.fromkeys([*Payer.model_fields, "x"], scalar))
)
bodies = st.builds(
    lambda changed, dropped: {k: v for k, v in {**BODY, **changed}.items() if k not in dropped},
    st.dictionaries(
        st.sampled_from([*CreatePayment.model_fields, "x", "Amount"]), anything, max_size=3
    ),
    st.sets(st.sampled_from([*BODY]), max_size=1),
)


def published(body: dict[str, Any]) -> CreatePayment | set[str]:
    try:
        return CreatePayment.model_validate(body)
    except ValidationError as exc:
        return {str(fault["loc"][0]) for fault in exc.errors(include_url=False)}


def ours(body: dict[str, Any]) -> Wish | set[str]:
    try:
        wish._WISH(body)
    except wish.Wrong as wrong:
        with pytest.raises(BadInput):
            read(body)
        return {where.partition(".")[0] for where, what in wrong.faults if what}
    return read(body)


@settings(max_examples=1_500)
@given(bodies)
@example({**BODY, "payer": PAYER, "metadata": {"a": "b"}, "fallback_channels": ["zarinpal"]})
@example({**BODY, "allowed_cards": ["6219-8610-1234-5678"], "locale": "en", "description": "x"})
@example({**BODY, "payer": {**PAYER, "mobile": None}, "channel": None})
@example({**BODY, "metadata": {"k": 1, "": "x", "a.b": "\n"}})
@example({})
def test_what_is_published_is_what_is_read(body: dict[str, Any]) -> None:
    wanted, found = published(body), ours(body)
    if not isinstance(wanted, CreatePayment) or not isinstance(found, Wish):
        assert found == wanted
        return
    shown = json.dumps(wanted.model_dump(mode="json"), sort_keys=True)
    assert found.digest == hashlib.sha256(shown.encode()).hexdigest()
    payer = wanted.payer.model_dump(exclude_none=True) if wanted.payer else {}
    assert found.payer == payer
    for name in CreatePayment.model_fields.keys() - {"payer"}:
        assert getattr(found, name) == getattr(wanted, name), name


def test_each_fault_is_named_with_its_place() -> None:
    body = {**BODY, "amount": "1", "payer": {"mobile": "1"}, "metadata": {"k": 1}, "x": 1}
    del body["currency"]
    with pytest.raises(BadInput) as refused:
        read(body)
    places = [where for where, _ in refused.value.errors]
    assert places == ["amount", "currency", "payer.mobile", "metadata.k", "x"]


def test_a_made_up_name_is_cut_and_faults_are_counted() -> None:
    with pytest.raises(BadInput) as refused:
        read({**BODY, **{f"{n}{'x' * 500}": 1 for n in range(50)}})
    assert len(refused.value.errors) == ERRORS_MAX
    assert all(len(where) <= FIELD_MAX for where, _ in refused.value.errors)
