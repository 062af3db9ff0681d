"""Money in another currency, rent and carbon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.billing.carbon import carbon
from llmplan.billing.money import convert, rent
from llmplan.errors import JobError, SpecError

RATE = "31.828 TWD/USD on 2026-03-10"


@given(st.floats(0.01, 1e9))
def test_there_and_back(amount):
    """An amount that is changed and changed back is the same amount."""
    there = convert(amount, "TWD", RATE)
    back = convert(there.amount, there.currency, RATE)
    assert there.currency == "USD"
    assert back.currency == "TWD"
    assert back.amount == pytest.approx(amount)


def test_a_rate_of_other_currencies_is_refused():
    """No rate is guessed."""
    with pytest.raises(JobError, match="says nothing about EUR"):
        convert(1, "EUR", RATE)


@pytest.mark.parametrize("text", ["31.8 TWD/USD", "x TWD/USD on 2026-03-10", "0 TWD/USD on 2026-03-10", "1 USD/USD on 2026-03-10"])
def test_a_rate_without_its_date_is_refused(text):
    """A rate has two currencies and a date."""
    with pytest.raises(SpecError, match="exchange rate"):
        convert(1, "TWD", text)


def test_rent_and_carbon_are_products():
    """Twice the hours, twice the rent; grams become kilograms."""
    assert rent(2.5, 200) == 2 * rent(2.5, 100)
    assert carbon(1000, 500) == 500
