"""
Evaluating: complete nouns in, every answer out.

``setup`` finds the structure of a case, ``tracing`` runs its program once, ``memory`` and ``work`` read the answers off
it, ``timing``, ``money`` and ``fitting`` make seconds, bills and verdicts of them.
"""

from llmplan.evaluating.case import Case
from llmplan.evaluating.evaluate import Answers, evaluate

__all__ = ["Answers", "Case", "evaluate"]
