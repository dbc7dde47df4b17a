"""What merchants may say, field by field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.edge.views import CreatePayment, CreateRefund
from payvand.money import AMOUNT_MAX
from payvand.pages.policy import merchant_origin
from payvand.webhook import address_problem
from tests.edge.rest import event, fields, problem, taking

BODY = {
    "amount": 250_000,
    "currency": "IRR",
    "reference": "order-1",
    "return_url": "https://shop.example/done",
}
create = taking(CreatePayment)
refund = taking(CreateRefund)
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ZWNJ = "\u200c"


def taken(**changes: Any) -> dict[str, Any]:
    """The body as it was understood."""
    answer = create(event(body=json.dumps({**BODY, **changes})), None)
    assert answer["statusCode"] == 200, answer["body"]
    found: dict[str, Any] = json.loads(answer["body"])
    return found


def refused(**changes: Any) -> list[str]:
    """The fields that were wrong."""
    answer = create(event(body=json.dumps({**BODY, **changes})), None)
    return fields(problem(answer, 400, "input_invalid"))


# ── Money ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "amount",
    ["250000", 250000.0, True, False, None, "۲۵۰۰۰۰", "٢٥٠٠٠٠", [250_000], {"minor": 1}, "1e3",
     0, -1, -250_000, AMOUNT_MAX + 1, 10**30, 0.1, ""],
)  # fmt: skip
def test_an_amount_is_a_whole_positive_number(amount: Any) -> None:
    assert refused(amount=amount) == ["amount"]
    answer = refund(event(body=json.dumps({"amount": amount})), None)
    assert answer["statusCode"] == (200 if amount is None else 400)


@pytest.mark.parametrize("literal", ["1e3", "250000.0", "2.5e5", "-0", "1E400"])
def test_an_amount_is_written_as_one(literal: str) -> None:
    body = json.dumps(BODY).replace("250000", literal)
    answer = create(event(body=body), None)
    assert fields(problem(answer, 400, "input_invalid")) == ["amount"]


@pytest.mark.parametrize("amount", [1, 250_000, AMOUNT_MAX])
def test_every_amount_in_range_is_taken(amount: int) -> None:
    assert taken(amount=amount)["amount"] == amount


@pytest.mark.parametrize("currency", ["irr", "IRT", "CHF", "USD", "", " IRR", None, 364, "ریال"])
def test_the_currency_is_the_rial(currency: Any) -> None:
    assert refused(currency=currency) == ["currency"]


# ── Text ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", ["reference", "description"])
@pytest.mark.parametrize(
    "text",
    [
        "سفارش ۱۰۴۲",
        f"کتاب{ZWNJ}ها",
        "заказ № 7",
        "sipariş",
        "注文",
        "🛒",
        "a\u200eb",
        "é",
        "e\u0301",
    ],
)
def test_every_alphabet_is_taken(field: str, text: str) -> None:
    assert taken(**{field: text})[field] == text


@pytest.mark.parametrize("field", ["reference", "description"])
@pytest.mark.parametrize(
    "character",
    [
        *BIDI,
        "\x00",
        "\n",
        "\r",
        "\t",
        "\x1b",
        "\x7f",
        "\x85",
        "\u2028",
        "\u2029",
        "\ue000",
        "\ufffd",
    ],
)
def test_what_moves_or_hides_text_is_refused(field: str, character: str) -> None:
    assert refused(**{field: f"order{character}1"}) == [field]


@pytest.mark.parametrize("field", ["reference", "description"])
def test_half_a_letter_is_refused(field: str) -> None:
    body = json.dumps({**BODY, field: "X"}).replace('"X"', r'"\ud83d"')
    answer = create(event(body=body), None)
    assert fields(problem(answer, 400, "input_invalid")) == [field]


@pytest.mark.parametrize("reference", ["", "x" * 65, None, 7, ["x"]])
def test_a_reference_has_1_to_64_letters(reference: Any) -> None:
    assert refused(reference=reference) == ["reference"]


def test_letters_are_counted_not_bytes() -> None:
    assert taken(reference="ش" * 64)["reference"] == "ش" * 64


def test_metadata_is_small() -> None:
    assert taken(metadata={"k" * 40: "v" * 200})["metadata"] == {"k" * 40: "v" * 200}
    assert taken(metadata={str(n): "" for n in range(20)})
    for metadata in (
        {str(n): "" for n in range(21)},
        {"k" * 41: "v"},
        {"": "v"},
        {"k": "v" * 201},
        {"k": 1},
        {"k": None},
        {"k": {"k": "v"}},
        {"k\u202e": "v"},
        {"k": "v\x00"},
        ["k"],
        "k",
        None,
    ):
        assert refused(metadata=metadata)[0].startswith("metadata")


# ── Digits ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "mobile",
    ["09121234567", "+989121234567", "۰۹۱۲۱۲۳۴۵۶۷", "٠٩١٢١٢٣٤٥٦٧", "+۹۸۹۱۲۱۲۳۴۵۶۷", "0912 123 4567",
     "0912-123-45-67", "۰۹۱۲ ۱۲۳ ۴۵۶۷"],
)  # fmt: skip
def test_a_mobile_number_in_any_of_our_digits_is_one_number(mobile: str) -> None:
    assert taken(payer={"mobile": mobile})["payer"]["mobile"] == "+989121234567"


@pytest.mark.parametrize(
    "mobile",
    ["9121234567", "0912123456", "091212345678", "+0989121234567", "+98", "00989121234567",
     "۰۹१२१२३४५६७", "०९१२१२३४५६७", "mobile", "", 9_121_234_567, "+9891212345６７"],
)  # fmt: skip
def test_what_is_not_a_mobile_number_is_refused(mobile: Any) -> None:
    assert refused(payer={"mobile": mobile}) == ["payer.mobile"]


@pytest.mark.parametrize("code", ["0012345679", "۰۰۱۲۳۴۵۶۷۹", "٠٠١٢٣٤٥٦٧٩", "001-234567-9"])
def test_a_national_code_in_any_of_our_digits_is_one_code(code: str) -> None:
    assert taken(payer={"national_code": code})["payer"]["national_code"] == "0012345679"


@pytest.mark.parametrize("code", ["001234567", "00123456790", "००१२३४५६७९", "O012345679", 12345679])
def test_what_is_not_a_national_code_is_refused(code: Any) -> None:
    assert refused(payer={"national_code": code}) == ["payer.national_code"]


def test_allowed_cards_have_16_digits() -> None:
    assert taken(allowed_cards=["6219 8610 1234 5678", "۶۲۱۹۸۶۱۰۱۲۳۴۵۶۷۹"])["allowed_cards"] == [
        "6219861012345678",
        "6219861012345679",
    ]
    for cards in (
        ["621986101234567"],
        ["६२१९८६१०१२३४५६७८"],
        "6219861012345678",
        [6219861012345678],
    ):
        assert refused(allowed_cards=cards)[0].startswith("allowed_cards")
    assert refused(allowed_cards=["6219861012345678"] * 11) == ["allowed_cards"]


@pytest.mark.parametrize(
    "email", ["a", "a@b", "@b.c", "a@b.c d", "a\n@b.c", "a@b.c\u202e", "a@@b.c"]
)
def test_what_is_not_an_email_address_is_refused(email: str) -> None:
    assert refused(payer={"email": email}) == ["payer.email"]


def test_a_payer_has_no_other_fields() -> None:
    assert refused(payer={"phone": "1"}) == ["payer.phone"]


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)//http://",
        "data:text/html,x",
        "ftp://shop.example/",
        "//shop.example/done",
        "/done",
        "shop.example",
        "https://",
        "https:///done",
        "http:shop.example",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://@shop.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/\n",
        "https://shop.example/\r\nX: 1",
        "https://shop.example/\tx",
        "https://shop.example/ x",
        "https://shop.example/\x00",
        "https://shop.example/ش",
        "https://فروشگاه.example/",
        "https://shop.example/<script>",
        'https://shop.example/"x',
        "https://shop.example/'x",
        "https://shop.example:99999/",
        "https://shop.example:x/",
        "https://[::1/",
        "https://[::1]/",
        "https://shop_1.example/",
        "https://!/",
        "https://.shop.example/",
        "https://shop.example/" + "x" * 2_000,
        "",
        None,
        7,
    ],
)
def test_a_return_address_is_a_plain_web_address(url: Any) -> None:
    assert refused(return_url=url) == ["return_url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/done?order=1042&x=%D8%B4#end",
        "http://127.0.0.1:3000/",
        "http://localhost:8000/back",
        "HTTPS://Shop.Example/Done",
        "https://xn--mgbab2bd.example/",
    ],
)
def test_a_plain_web_address_is_taken_as_it_is(url: str) -> None:
    assert taken(return_url=url)["return_url"] == url


@given(
    st.builds(
        "{}://{}{}".format,
        st.sampled_from(["http", "https"]),
        st.text("abc019-._:@[]%!/?#", max_size=12),
        st.sampled_from(["", "/", "/done?a=b"]),
    )
)
def test_the_hosted_page_can_send_its_payer_to_every_address_we_take(url: str) -> None:
    answer = create(event(body=json.dumps({**BODY, "return_url": url})), None)
    if answer["statusCode"] == 200:
        assert merchant_origin(url)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", "Zarinpal"),
        ("channel", ""),
        ("channel", "../zarinpal"),
        ("channel", 7),
        ("fallback_channels", ["a"]),
        ("fallback_channels", ["ab"] * 6),
        ("fallback_channels", "ab"),
        ("locale", "de"),
        ("locale", "FA"),
        ("expires_in_s", 119),
        ("expires_in_s", 86_401),
        ("expires_in_s", "1800"),
        ("expires_in_s", 1800.0),
        ("expires_in_s", True),
        ("payer", "x"),
        ("payer", []),
        ("description", None),
        ("description", "x" * 256),
    ],
)
def test_every_other_field_has_its_limits(field: str, value: Any) -> None:
    assert refused(**{field: value})[0].startswith(field)


# ── Where webhooks may go ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "https://shop/",
        "https://shop.example:8443/",
        "https://shop.example:80/",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://@shop.example/",
        "https://shop.example./",
        "https://shop..example/",
        "https://فروشگاه.example/",
        "https://shop。example/",
        "https://shop.example\\.evil.example/",
        "https://shop.example /",
        "https://shop.example/\n",
        "https://shop.example:x/",
        "https://[::1/",
        "https://",
        "shop.example",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "https://1.2.3.4.5/",
        "https://shop.1/",
    ],
)
def test_a_webhook_goes_to_a_named_public_host_only(url: str) -> None:
    assert address_problem(url, frozenset())


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/hook", "https://shop.example:443/hook?x=1", "https://a-b.shop.example/",
     "https://xn--mgbab2bd.example/", "https://SHOP.example/"],
)  # fmt: skip
def test_a_public_address_is_fine(url: str) -> None:
    assert address_problem(url, frozenset()) is None


def test_an_operator_may_allow_a_host_with_its_port() -> None:
    allowed = frozenset({"127.0.0.1:8080"})
    assert address_problem("http://127.0.0.1:8080/lab/webhooks/x", allowed) is None
    for url in ("http://127.0.0.1:8081/", "http://127.0.0.1/", "ftp://127.0.0.1:8080/",
                "http://127.0.0.1:8080@evil.example/", "http://u@127.0.0.1:8080/"):  # fmt: skip
        assert address_problem(url, allowed), url
