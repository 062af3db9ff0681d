"""Two calculators that share no code agree on every case, to the last digit."""

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from reference_bill import bills
from strategies_billing import cases

from llmplan.billing.cases import baseline_of
from llmplan.billing.job import bill_job
from llmplan.nouns.tariff import Tariff

SLOW = settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))


@SLOW
@given(cases())
def test_the_reference_agrees(inputs):
    """Whatever fields a tariff has, the bills are those of the plain walk over half hours."""
    bill = bill_job(
        Tariff.from_urdb(inputs["tariff"]),
        **inputs["load"],
        time_zone=inputs["time_zone"],
        baseline=baseline_of(inputs["baseline"]),
        bill_periods=inputs["bill_periods"],
    )
    whole, without = bills(inputs)
    assert sum((period.with_job.total for period in bill.periods), Fraction(0)) == whole
    assert sum((period.without_job.total for period in bill.periods), Fraction(0)) == without
