"""What every channel promises, proved for each against its party in the lab."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payvand.errors import Forged, Silence
from payvand.money import Money
from payvand.psp import (
    Attempt,
    Credentials,
    Declined,
    Inbound,
    Opened,
    Redirect,
    RefundVerdict,
    Verdict,
)
from payvand.psp.registry import channel, limits, names, title
from tests.channels.lab_world import BASE, Lab
from tests.channels.parties import MERCHANT, PARTIES, Party, order_of
from tests.channels.scripted import Scripted

RIAL = 1_250_000


@pytest.fixture(params=PARTIES, ids=lambda party: party.name)
def party(request: pytest.FixtureRequest, lab: Lab) -> Party:
    made = request.param(lab)
    assert isinstance(made, Party)
    return made


def test_every_registered_channel_is_under_this_contract() -> None:
    assert {party.name for party in PARTIES} == set(names())


def test_a_channel_states_its_limits(party: Party) -> None:
    limits = party.channel
    assert limits.name == party.name
    assert {"fa", "en"} <= limits.title.keys()
    assert limits.currencies
    assert 0 < limits.amount_min_minor < limits.amount_max_minor
    assert limits.verify_within_s > 0


def test_an_order_opens_a_page_that_shows_what_is_bought(party: Party) -> None:
    attempt = party.opened(RIAL)
    page = party.browse(party.channel.redirect(attempt.token)).decode()
    assert "سفارش ۱۲" in page
    assert "۱٬۲۵۰٬۰۰۰" in page


def test_a_payer_who_is_still_looking_is_pending(party: Party) -> None:
    assert party.truth(party.opened(RIAL)).verdict is Verdict.PENDING


def test_a_paid_attempt_is_paid_with_its_money_however_often_it_is_asked(party: Party) -> None:
    attempt, answer = party.taken(RIAL)
    assert answer.verdict is Verdict.PAID
    assert answer.money == Money(RIAL, "IRR")
    assert answer.reference
    again = party.truth(attempt)
    assert (again.verdict, again.money, again.reference) == (
        answer.verdict,
        answer.money,
        answer.reference,
    )


def test_an_odd_rial_survives_the_party_s_unit(party: Party) -> None:
    assert party.taken(1_250_007)[1].money == Money(1_250_007, "IRR")


def test_a_refused_attempt_is_dead(party: Party) -> None:
    attempt = party.opened(RIAL)
    party.choose(attempt, "refuse")
    assert party.truth(attempt).verdict is Verdict.DEAD


def test_a_closed_window_is_dead_after_the_session_s_life(party: Party) -> None:
    attempt = party.opened(RIAL)
    party.lab.later(15 * 60)
    assert party.truth(attempt).verdict is Verdict.DEAD


def test_the_first_decision_of_the_payer_counts(party: Party) -> None:
    paid, refused = party.opened(RIAL, "pay_1"), party.opened(RIAL, "pay_2")
    party.choose(paid, "pay")
    party.choose(paid, "refuse")
    party.choose(refused, "refuse")
    party.choose(refused, "pay")
    assert party.truth(paid).verdict is Verdict.PAID
    assert party.truth(refused).verdict is Verdict.DEAD


def test_a_return_is_only_a_hint_and_keeps_our_own_query(party: Party) -> None:
    attempt = party.opened(RIAL)
    back = party.came_back(party.choose(attempt, "pay"))
    assert back.query["payment"] == "pay_1"
    hint = party.channel.read_return(back)
    assert hint.token in {attempt.token, None}
    assert hint.claims_success in {True, None}


def test_a_forged_success_moves_nothing(party: Party) -> None:
    attempt = party.opened(RIAL)
    party.channel.read_return(
        Inbound("GET", {"Authority": attempt.token, "Status": "OK", "success": "1"}, {}, b"")
    )
    assert party.truth(attempt).verdict is Verdict.PENDING


def test_refused_opening_is_declined_with_the_party_s_code(party: Party) -> None:
    made = party.channel.open(order_of(1_250_003))
    assert isinstance(made, Declined)
    assert made.code
    assert made.message


@pytest.mark.parametrize("rial", [1_250_001, 1_250_002])
def test_a_crash_or_silence_while_opening_is_silence(party: Party, rial: int) -> None:
    with pytest.raises(Silence):
        party.channel.open(order_of(rial))


@pytest.mark.parametrize("rial", [1_250_101, 1_250_102, 1_250_103, 1_250_107, 1_250_108])
def test_trouble_while_confirming_ends_in_the_truth(party: Party, rial: int) -> None:
    attempt, answer = party.taken(rial)
    assert answer.verdict in {Verdict.PAID, Verdict.UNKNOWN}
    party.lab.later(60)
    again = party.truth(attempt)
    assert (again.verdict, again.money) == (Verdict.PAID, Money(rial, "IRR"))


def test_money_given_back_before_we_confirmed_is_reversed(party: Party) -> None:
    assert party.taken(1_250_104)[1].verdict is Verdict.REVERSED


def test_another_amount_is_never_paid_as_ours(party: Party) -> None:
    answer = party.taken(1_250_105)[1]
    assert answer.verdict is not Verdict.DEAD
    assert answer.verdict is not Verdict.PAID or answer.money != Money(1_250_105, "IRR")


def test_a_late_party_is_pending_and_then_paid(party: Party) -> None:
    attempt, answer = party.taken(1_250_106)
    assert answer.verdict is Verdict.PENDING
    party.lab.later(120)
    assert party.truth(attempt).verdict is Verdict.PAID


def test_reverse_gives_back_once_and_says_so_again(party: Party) -> None:
    attempt, _ = party.taken(RIAL)
    assert party.channel.reverse(attempt).verdict is Verdict.REVERSED
    assert party.channel.reverse(attempt).verdict is Verdict.REVERSED
    assert party.truth(attempt).verdict is Verdict.REVERSED


def test_reverse_too_late_is_an_explicit_no(party: Party) -> None:
    attempt, _ = party.taken(RIAL)
    party.lab.later(party.channel.reverse_within_s + 1)
    assert party.channel.reverse(attempt).verdict is Verdict.PAID


def test_reverse_of_what_was_refused_is_dead(party: Party) -> None:
    attempt = party.opened(RIAL)
    party.choose(attempt, "refuse")
    assert party.channel.reverse(attempt).verdict is Verdict.DEAD


def refund(party: Party, paid: tuple[Attempt, str], rial: int, key: str, *, first: bool) -> str:
    attempt, reference = paid
    answer = party.channel.refund(attempt, reference, Money(rial, "IRR"), key, first)
    return answer.verdict.value


def paid(party: Party, rial: int = RIAL) -> tuple[Attempt, str]:
    attempt, answer = party.taken(rial)
    assert answer.reference is not None
    return attempt, answer.reference


def test_partial_refunds_add_up_to_the_whole_and_no_further(party: Party) -> None:
    taken = paid(party)
    assert refund(party, taken, 500_000, "rf_1", first=True) == "done"
    assert refund(party, taken, 750_000, "rf_2", first=True) == "done"
    assert refund(party, taken, 20_000, "rf_3", first=True) == "refused"


@pytest.mark.parametrize("first", [True, False])
def test_the_same_refund_key_pays_once(
    party: Party,
    first: bool,  # noqa: FBT001
) -> None:
    taken = paid(party)
    assert refund(party, taken, 600_000, "rf_1", first=True) == "done"
    assert refund(party, taken, 600_000, "rf_1", first=first) == "done"
    assert refund(party, taken, 650_000, "rf_2", first=True) == "done"  # there is room: paid once


@pytest.mark.parametrize("ending", [202, 204])
def test_a_refund_whose_answer_was_lost_is_found_again(party: Party, ending: int) -> None:
    taken, rial = paid(party), 600_000 + ending
    assert refund(party, taken, rial, "rf_1", first=True) == "unknown"
    assert refund(party, taken, rial, "rf_1", first=False) == "done"
    assert refund(party, taken, RIAL - rial, "rf_2", first=True) == "done"


def test_a_refused_refund_is_refused(party: Party) -> None:
    assert refund(party, paid(party), 600_201, "rf_1", first=True) == "refused"


def test_a_pending_refund_is_done_later_under_the_same_key(party: Party) -> None:
    taken = paid(party)
    assert refund(party, taken, 600_203, "rf_1", first=True) == RefundVerdict.PENDING
    party.lab.later(300)
    assert refund(party, taken, 600_203, "rf_1", first=False) == RefundVerdict.DONE


def test_the_payment_s_own_ending_rules_its_refunds_too(party: Party) -> None:
    assert refund(party, paid(party, 1_250_201), 500_000, "rf_1", first=True) == "refused"


def test_a_forged_or_foreign_notice_is_forged(party: Party) -> None:
    body = b'{"shop":"shop-1","order":"pay_1","session":"nb_0000000000000000","state":"TAKEN"}'
    for headers in ({}, {"x-notice-signature": f"t=1,v1={'0' * 64}"}, {"x-notice-signature": "é"}):
        with pytest.raises(Forged):
            party.channel.read_notice(Inbound("POST", {}, headers, body))


text = st.text(max_size=60)
queries = st.dictionaries(
    st.sampled_from(["Authority", "Status", "payment", "token", ""]) | text, text, max_size=5
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries, headers=st.dictionaries(text, text, max_size=3), body=st.binary(max_size=200))
def test_no_return_or_notice_can_make_a_channel_fall_over(
    query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> None:
    for kind in PARTIES:
        speaker = kind.speaking(Scripted())
        hint = speaker.read_return(Inbound("GET", query, headers, body))
        assert hint.token is None or hint.token in query.values()
        with pytest.raises(Forged):
            speaker.read_notice(Inbound("POST", query, headers, body))
        assert speaker.notice_reply().status == 200


def test_missing_credentials_are_named_and_never_repeated() -> None:
    for kind in PARTIES:
        for left_out in kind.fields:
            fields = {k: v for k, v in kind.fields.items() if k != left_out}
            with pytest.raises(ValueError, match=left_out) as caught:
                channel(kind.name, Credentials(BASE, fields), Scripted())
            assert MERCHANT not in str(caught.value)


def test_a_redirect_makes_no_call_and_names_no_secret(party: Party) -> None:
    sent = party.http.sent
    made = party.channel.redirect("S" + "0" * 35)
    assert isinstance(made, Redirect)
    assert party.http.sent == sent
    assert not any(secret in repr(made) for secret in party.fields.values())
    assert isinstance(party.channel.open(order_of(RIAL)), Opened)


def test_limits_and_titles_are_read_without_credentials() -> None:
    for kind in PARTIES:
        least, most = limits(kind.name, "IRR")
        assert 0 < least < most
        assert limits(kind.name, "EUR") == (1, 0)
        assert title(kind.name, "fa") != title(kind.name, "en") == title(kind.name, "tr")
    with pytest.raises(KeyError):
        limits("nobody", "IRR")
