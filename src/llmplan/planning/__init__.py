"""Planning: ``plan()`` and the ``Plan`` that it makes."""

from llmplan.planning.making import plan, resolved_case
from llmplan.planning.result import Plan

__all__ = ["Plan", "plan", "resolved_case"]
