"""A mixture of experts."""

from llmplan.errors import UnsupportedError
from llmplan.program.experts import Experts, Router, Routing
from llmplan.program.op import Tensor
from llmplan.runtimes.megatron.products import MegatronProducts


class MegatronExperts(MegatronProducts):
    """Not modelled yet."""

    def route(self, x: Tensor, router: Router) -> Routing:
        """
        None yet.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("a mixture of experts in Megatron-LM", f"what its router keeps of {x.rows} rows: {router.experts}")

    def experts(self, x: Tensor, routing: Routing, experts: Experts) -> Tensor:
        """
        None yet.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("a mixture of experts in Megatron-LM", f"{x.rows} rows, {routing.router.experts}, {experts}")
