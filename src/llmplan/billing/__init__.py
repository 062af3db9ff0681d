"""
Electricity bills, to the cent: a load and a tariff give the bill, with a job and without it.

Everything is worked out in exact fractions from the numbers as they are written in the tariff, on the real time line
of the customer's zone. ``job`` has what others call: :func:`~llmplan.billing.job.bill_job` and
:func:`~llmplan.billing.job.bill_year_starts`.
"""
