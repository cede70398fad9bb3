"""The pure parts of the portal: tokens, throttles, what people type, payment links, schedules."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dunning_common.money import exponent, to_decimal_string
from notifier.content.formats import formats_for
from notifier.portal.fields import (
    TEXT_MAX,
    Fault,
    amount_of,
    count_of,
    day_of,
    email_of,
    line_of,
    phone_of,
    text_of,
)
from notifier.portal.files import FILE_BYTES_MAX, Upload
from notifier.portal.history import Said
from notifier.portal.link import (
    TOKEN_BYTES,
    TYPED_CHARS,
    in_groups,
    link_url,
    new_token,
    new_typed_token,
    token_hash,
)
from notifier.portal.rules import ArrangementRules, rules_of
from notifier.portal.schedule import instalments, step
from notifier.portal.settings import (
    Interval,
    PortalSettings,
    pay_link_fault,
    pay_url,
    settings_of,
)
from notifier.portal.throttle import Rate, Throttle
from notifier.portal.verdicts import Verdict, Why
from notifier.portal.view import state_words
from notifier.portal.words import Dictionary, Words

LOCALES = ("en_GB", "fr_FR", "de_DE", "es_ES", "it_IT", "nl_NL", "pt_PT", "pl_PL")


def test_tokens_are_all_different_fit_into_an_address_and_carry_128_bits() -> None:
    tokens = {new_token() for _ in range(1000)}

    assert TOKEN_BYTES * 8 == 128
    assert len(tokens) == 1000
    assert len({token_hash(token) for token in tokens}) == 1000
    assert all(set(token) <= set(string.ascii_letters + string.digits + "-_") for token in tokens)
    assert link_url("https://x.example/", "abc") == "https://x.example/p/abc"


@given(st.text(max_size=40))
def test_what_is_no_token_is_refused_and_never_hashed(text: str) -> None:
    try:
        hashed = token_hash(text)
    except ValueError:
        return
    assert len(text) == 22 or len(text.replace("-", "")) == TYPED_CHARS
    assert len(hashed) == 32


@given(
    st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=TYPED_CHARS, max_size=TYPED_CHARS),
    st.randoms(use_true_random=False),
)
def test_a_typed_token_is_found_in_capitals_in_groups_and_with_letters_for_digits(
    token: str, dice: random.Random
) -> None:
    written = in_groups(token)
    for digit, letters in (("0", "0oO"), ("1", "1iIlL")):
        written = "".join(dice.choice(letters) if char == digit else char for char in written)
    typed = "".join(dice.choice((char.lower(), char.upper())) for char in written)

    assert [len(group) for group in in_groups(token).split("-")] == [4] * 5
    assert token_hash(typed) == token_hash(token)


@given(
    st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=TYPED_CHARS, max_size=TYPED_CHARS),
    st.sets(st.sampled_from(range(1, TYPED_CHARS)), max_size=4),
    st.sampled_from((str.lower, str.upper)),
)
@example("7k3qw9tb4mxad2hf0zra", {4, 8}, str.lower)
@example("7k3qw9tb4mxad2hf0zra", {8, 16}, str.upper)
@example("7k3qw9tb4mxad2hf0zrb", {4, 8}, str.lower)
def test_a_typed_token_is_found_with_any_of_its_hyphens(
    token: str, places: set[int], case: Callable[[str], str]
) -> None:
    typed = "".join(
        f"-{char}" if place in places else char for place, char in enumerate(case(token))
    )

    assert token_hash(typed) == token_hash(token)


def test_typed_tokens_use_32_signs_and_each_means_something() -> None:
    tokens = {new_typed_token() for _ in range(1000)}
    signs = set("".join(tokens))

    assert len({token_hash(token) for token in tokens}) == 1000
    assert len(signs) == 32  # so that 20 of them are 100 bits
    assert signs.isdisjoint("ilou")


@pytest.mark.parametrize("text", ["7k3q-w9tb-4mxa-d2hf-0zr", "7k3qw9tb4mxad2hf0zru", "é" * 20])
def test_what_is_no_typed_token_is_refused(text: str) -> None:
    assert not _is_token(text)


def test_a_token_with_its_spare_bits_set_is_not_another_way_to_write_the_same_one() -> None:
    token = new_token().replace("-", "_")  # with two hyphens it could be one that people type
    twins = [token[:-1] + char for char in string.ascii_letters if char != token[-1]]

    accepted = [twin for twin in twins if _is_token(twin)]

    assert {token_hash(twin) for twin in accepted}.isdisjoint({token_hash(token)})
    assert len(accepted) <= 3


def _is_token(text: str) -> bool:
    try:
        token_hash(text)
    except ValueError:
        return False
    return True


@given(
    st.integers(1, 20),
    st.floats(1, 600),
    st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_a_throttle_lets_through_its_burst_and_then_its_rate(
    burst: int, per_minute: float, pauses: list[float]
) -> None:
    throttle = Throttle(Rate(burst=burst, per_minute=per_minute))
    now, passed = 1000.0, 0
    start = now
    for pause in pauses:
        now += pause
        passed += throttle.wait_s(b"a", now) == 0.0

    assert passed <= burst + (now - start) * per_minute / 60 + 1e-6
    assert passed >= min(burst, len(pauses))


def test_a_throttled_name_may_ask_again_when_it_was_told_and_others_are_not_held_up() -> None:
    throttle = Throttle(Rate(burst=1, per_minute=6))

    assert throttle.wait_s(b"a", 0.0) == 0.0
    wait = throttle.wait_s(b"a", 0.0)
    assert wait == pytest.approx(10.0)
    assert throttle.wait_s(b"b", 0.0) == 0.0
    assert throttle.wait_s(b"a", wait + 0.001) == 0.0


def test_a_throttle_forgets_names_rather_than_grow() -> None:
    throttle = Throttle(Rate(burst=1, per_minute=1), names_max=10)
    for number in range(1000):
        throttle.wait_s(str(number).encode(), 0.0)

    assert len(throttle._seen) == 10


@given(st.sampled_from(LOCALES), st.integers(0, 10**13), st.sampled_from(["EUR", "PLN", "GBP"]))
def test_an_amount_as_any_of_the_languages_writes_it_is_read_back(
    locale: str, minor: int, currency: str
) -> None:
    shown = formats_for(locale).money(Decimal(minor).scaleb(-exponent(currency)), currency)

    assert amount_of(shown, currency) == minor
    assert amount_of(to_decimal_string(minor, currency), currency) == minor


@given(st.text(max_size=60))
def test_any_text_is_an_amount_or_a_fault(text: str) -> None:
    read = _reading(lambda given: amount_of(given, "EUR"), text)

    assert read in {"required", "amount_wrong"} if isinstance(read, str) else int(str(read)) >= 0


def _reading(reader: Callable[[str], object], text: str) -> object:
    """What was read, or the word of the fault; anything else than a fault fails the test."""
    try:
        return reader(text)
    except Fault as fault:
        return fault.word


@pytest.mark.parametrize(
    ("typed", "minor"),
    [
        ("1234.5", 123450),
        ("1 234,50 €", 123450),
        ("1.234,50", 123450),
        ("1,234.50", 123450),
        ("1.234", 123400),
        ("1'234.50", 123450),
        ("12", 1200),
        ("EUR 12,5", 1250),
    ],
)
def test_amounts_are_read_as_they_are_meant(typed: str, minor: int) -> None:
    assert amount_of(typed, "EUR") == minor


@pytest.mark.parametrize("typed", ["1e5", "-5", "1.23.45", "12,345,67", "1,2345", "abc", ".", "٣"])
def test_what_is_no_amount_is_not_guessed(typed: str) -> None:
    with pytest.raises(Fault):
        amount_of(typed, "EUR")


@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_date_is_read_in_the_browsers_form_and_in_peoples(day: date) -> None:
    assert day_of(day.isoformat()) == day
    assert day_of(f"{day.day}.{day.month}.{day.year:04}") == day
    assert day_of(f" {day.day:02}/{day.month:02}/{day.year:04} ") == day


@given(st.text(max_size=30))
def test_any_text_is_a_date_a_number_a_line_an_address_or_a_fault(text: str) -> None:
    readers = (
        day_of,
        line_of,
        text_of,
        email_of,
        lambda given: phone_of(given, country="FR"),
        lambda given: count_of(given, least=2, most=12),
    )
    for read in readers:
        _reading(read, text)


@given(st.text(max_size=TEXT_MAX))
def test_text_keeps_its_lines_and_loses_what_could_hide_in_it(text: str) -> None:
    read = text_of(text)

    assert "\x00" not in read
    assert all(char == "\n" or char.isprintable() or not char.isascii() for char in read)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7 x", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
    ],
)
def test_a_file_is_known_by_its_first_bytes_whatever_its_name(content: bytes, kind: str) -> None:
    upload = Upload(name="virus.exe", content=content)

    assert upload.media_type == kind
    assert upload.fault() is None
    assert not upload.safe_name.endswith(".exe")


def test_a_file_of_another_kind_or_too_large_is_refused_with_the_reason() -> None:
    html, large = Upload(name="a.pdf", content=b"<html>"), b"%PDF-" + b"x" * FILE_BYTES_MAX

    assert html.fault() is not None
    assert html.fault().word == "file_kind"  # type: ignore[union-attr]
    assert Upload(name="a.pdf", content=large).fault().word == "file_large"  # type: ignore[union-attr]
    assert Upload(name="", content=b"", is_whole=False).fault().word == "file_large"  # type: ignore[union-attr]


@given(st.text(max_size=100))
def test_a_files_name_can_be_saved_anywhere(name: str) -> None:
    safe = Upload(name=name, content=b"%PDF-1.7").safe_name

    assert safe.endswith(".pdf")
    assert not set(safe) & set('/\\:*?"<>|\x00\n\r')
    assert len(safe) < 80


@pytest.mark.parametrize(
    "template",
    [
        "http://pay.example.com/",
        "https://user@pay.example.com/",
        "https://{reference}.example.com/",
        "https://pay.example.com/{0}",
        "https://pay.example.com/{reference.__class__}",
        "https://pay.example.com/{",
        "javascript:alert(1)",
        "https:///x",
        "https://pay.example.com/ x",
    ],
)
def test_a_payment_link_that_could_lead_elsewhere_is_refused(template: str) -> None:
    assert pay_link_fault(template)


@given(st.text(min_size=1, max_size=50), st.integers(1, 10**9))
def test_what_is_put_into_a_payment_link_stays_in_its_place(reference: str, minor: int) -> None:
    template = "https://pay.example.com/x?r={reference}&a={amount}{currency}"
    assert pay_link_fault(template) is None
    try:
        reference.encode()
    except UnicodeEncodeError:
        return
    url = pay_url(template, reference=reference, amount_minor=minor, currency="EUR")

    assert url.startswith("https://pay.example.com/x?r=")
    assert url.count("&") == 1
    assert url.count("?") == 1
    assert url.endswith(f"&a={to_decimal_string(minor, 'EUR')}EUR")


def test_rules_are_read_as_the_engine_writes_them() -> None:
    document = {
        "promise_days_max": 14,
        "max_months": 6,
        "min_first_percent": "12.5",
        "min_instalment": {"JPY": "800", "EUR": "50.00"},
        "refuse": ["max_months"],
        "stored_by": None,
    }

    assert rules_of(document) == ArrangementRules(
        promise_days_max=14,
        max_months=6,
        min_first_percent=Decimal("12.5"),
        min_instalment_minor=(("EUR", 5000), ("JPY", 800)),
        refuse=frozenset({"max_months"}),
    )


DOCUMENT = {
    "promise_days_max": 14, "max_months": 6, "min_first_percent": "12.5",
    "min_instalment": {}, "refuse": [],
}  # fmt: skip


@pytest.mark.parametrize("name", ["promise_days_max", "max_months", "min_first_percent"])
@given(number=st.one_of(st.integers(), st.decimals(allow_nan=True, allow_infinity=True)))
def test_whatever_number_the_engine_writes_days_and_amounts_can_be_reckoned_or_it_is_refused(
    name: str, number: int | Decimal
) -> None:
    today = date(2026, 3, 10)
    try:
        rules = rules_of(DOCUMENT | {name: number})
    except (ValueError, OverflowError):
        return

    assert today <= rules.promise_latest(today)
    assert today <= (rules.last_latest(today) or today)
    assert 1 <= rules.first_of(100) <= 100


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("promise_days_max", 367), ("promise_days_max", -1), ("max_months", 10**9),
        ("min_first_percent", "NaN"), ("min_first_percent", "100.01"),
        ("min_instalment", {"EUR": "-1.00"}),
    ],
)  # fmt: skip
def test_a_number_that_nothing_can_be_reckoned_with_is_refused_by_its_name(
    name: str, number: object
) -> None:
    with pytest.raises(ValueError, match=f"^{name}: .*PUT /v1/plan-rules"):
        rules_of(DOCUMENT | {name: number})


@pytest.mark.parametrize(
    "words", Dictionary.load().languages.values(), ids=lambda words: words.code
)
def test_every_verdict_has_its_words_in_every_language(words: Words) -> None:
    verdicts = [
        Verdict("agreed"), Verdict("waits"), Verdict("not_needed"),
        *(Verdict("refused", why) for why in get_args(Why)),
    ]  # fmt: skip
    said = [
        Said(
            at=datetime(2026, 3, 10, tzinfo=UTC),
            kind="plan_request",
            state="received",
            verdict=verdict,
        )
        for verdict in verdicts
    ]

    found = [state_words(words, each) for each in said]

    assert len(set(found)) == len(found)
    assert all(found)
    assert (
        state_words(
            words, Said(at=datetime(2026, 3, 10, tzinfo=UTC), kind="promise", state="received")
        )
        == words["state_received"]
    )


def test_settings_survive_being_stored() -> None:
    settings = PortalSettings(
        enabled=False,
        pay_link="https://p.example/{reference}",
        actions=("paid", "message"),
        instalments_max=6,
        intervals=("weekly", "monthly"),
        sms_parts_max=1,
    )

    assert settings_of(settings.document()) == settings
    assert settings_of({}) == PortalSettings()


@given(
    st.integers(2, 10**9),
    st.integers(2, 120),
    st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)),
    st.sampled_from(get_args(Interval)),
    st.data(),
)
def test_instalments_add_up_to_the_total_and_follow_each_other(
    total: int, count: int, first_on: date, interval: Interval, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, total - 1))
    if total - first < count - 1:
        with pytest.raises(ValueError, match="more than nothing"):
            instalments(total, first_minor=first, first_on=first_on, count=count, interval=interval)
        return

    parts = instalments(total, first_minor=first, first_on=first_on, count=count, interval=interval)

    assert sum(part.amount_minor for part in parts) == total
    assert len(parts) == count
    assert parts[0].amount_minor == first
    others = [part.amount_minor for part in parts[1:]]
    assert max(others) - min(others) <= 1
    days = [part.on for part in parts]
    assert days[0] == first_on
    assert days == sorted(set(days))


def test_a_month_after_the_last_of_january_is_the_last_of_february() -> None:
    assert step(date(2026, 1, 31), "monthly", 1) == date(2026, 2, 28)
    assert step(date(2026, 1, 31), "monthly", 2) == date(2026, 3, 31)
    assert step(date(2026, 1, 31), "fortnightly", 1) == date(2026, 1, 31) + timedelta(days=14)
