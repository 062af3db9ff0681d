"""Bills: cases worked out in exact fractions, predicted from tariff, load and baseline."""

from llmplan.billing.cases import case_inputs, predict
from llmplan.errors import LlmplanError
from llmplan.validating.cases import cases_of, load
from llmplan.validating.report import Report
from llmplan.validating.statistics import Compared

_QUANTITIES = ("whole_bill", "job_adds")


def validate_bills(paths: list[str]) -> Report:
    """
    Predict the cases of some files.

    Raises:
        SpecError: A file that holds no such cases.
    """
    compared: list[Compared] = []
    unanswered: dict[str, int] = {}
    count = 0
    for path in paths:
        document = load(path)
        for case in cases_of(path, "bill"):
            count += 1
            try:
                inputs = case_inputs(document, case)
                found = predict(inputs)
            except LlmplanError as error:
                unanswered[str(error)] = unanswered.get(str(error), 0) + 1
                continue
            for quantity in _QUANTITIES:
                bill = float(found[quantity])
                compared.append(
                    Compared(
                        quantity=quantity,
                        groups=(),
                        measured=float(case["expected"][quantity]),
                        low=bill,
                        likely=bill,
                        high=bill,
                        inputs={k: v for k, v in inputs.items() if k != "tariff"},
                    )
                )
    return Report(kind="bills", cases=count, compared=compared, unanswered=unanswered)
