"""PyTorch's own answer: against sums by hand, and our predictions against it."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from llmplan.errors import SpecError, UnsupportedError
from llmplan.measure import Measured, Settings, measure
from llmplan.measure.predicting import predicted
from llmplan.nouns.model import Model
from llmplan.sources import Source

HERE = Path(__file__).parent
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None or not (os.environ.get("CXX") or any(map(shutil.which, ("c++", "g++", "clang++")))),
    reason="the extra 'measure' or a C++ compiler is not there",
)

LLAMA = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "intermediate_size": 704,
    "vocab_size": 2048,
}


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small modules can be imported by name, here and in the other process."""
    monkeypatch.syspath_prepend(str(HERE))


class TestWithoutTorch:
    def test_settings_are_checked(self) -> None:
        """All wrong numbers at once; a name that PyTorch does not have, with the nearest that it has."""
        with pytest.raises(SpecError) as error:
            Settings(sequence_length=0, micro_batch_size=-1, micro_batches=True)
        assert len(error.value.faults) == 3
        with pytest.raises(UnsupportedError, match="did you mean 'adamw'"):
            Settings(optimizer="adamww")
        with pytest.raises(UnsupportedError, match="fp8"):
            Settings(precision="fp8")

    @pytest.mark.parametrize("what", [3, None, lambda: None, {"hidden_size": 64}, "/no/such/config.json"])
    def test_what_is_no_model(self, what: object) -> None:
        with pytest.raises(SpecError, match=r"measure\(\)|config.json"):
            measure(what)  # type: ignore[arg-type]

    def test_importing_it_loads_no_torch(self) -> None:
        code = "import sys, llmplan.measure; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_it_says_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("llmplan.measure.asking.find_spec", lambda _: None)
        with pytest.raises(UnsupportedError, match=r"pip install 'llmplan\[measure\]'"):
            measure(LLAMA)

    def test_a_measurement_is_plain_data(self) -> None:
        fields = dict.fromkeys(("peak", "first_step_peak", "saved_for_backward", "saved_weight_casts", "between_steps"), 512)
        made = Measured(
            **fields,
            phase="backward",
            operation="mm",
            split={"other": 512},
            num_parameters=1,
            num_trainable=1,
            versions={"torch": "2"},
        )
        assert Measured.from_dict(made.to_dict()) == made
        assert "512 bytes" in str(made)


@needs_torch
class TestByHand:
    def test_a_chain_of_matrices(self) -> None:
        """BF16, 8 sequences of 64 tokens: what each operation keeps, and what the optimizer does."""
        found = measure("small_modules:chain", Settings(sequence_length=64, micro_batch_size=8, precision="bf16"))
        tokens, parameters = 512, 1000 * 64 + 64 * 256 + 256 * 64 + 64 * 1000
        assert found.num_parameters == parameters
        # The table's rows, the ReLU's result, the way down, FP32 log-probabilities; the loss and the count of tokens.
        assert found.saved_for_backward == tokens * (2 * 64 + 2 * 256 + 2 * 64 + 4 * 1000) + 2 * 512
        # Two BF16 moments and a count for each of four tensors.
        assert found.split["optimizer"] == 4 * parameters + 4 * 512
        assert found.split["parameters"] == 2 * parameters
        assert found.phase == "backward"
        assert found.peak - found.first_step_peak == found.split["optimizer"]

    def test_a_module_that_says_its_own_loss(self) -> None:
        """Logits in BF16 all the way: no FP32 copy."""
        plain = measure("small_modules:chain", Settings(sequence_length=64, precision="bf16"))
        own = measure("small_modules:with_loss", Settings(sequence_length=64, precision="bf16"))
        assert own.peak < plain.peak

    @pytest.mark.parametrize(
        ("address", "error", "message"),
        [
            ("small_modules:number", SpecError, "returned int"),
            ("small_modules:nothing", SpecError, "no function is found"),
            ("no_such_module:build", SpecError, "no function is found"),
            ("small_modules:raises", UnsupportedError, "no weights today"),
            ("small_modules:leaves", UnsupportedError, "ended without a word"),
        ],
    )
    def test_what_goes_wrong_there_is_told_here(self, address: str, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            measure(address)

    def test_it_gives_up(self) -> None:
        with pytest.raises(UnsupportedError, match="had not ended"):
            measure(LLAMA, timeout=0.01)


@needs_torch
class TestPredictions:
    @pytest.mark.parametrize(
        "settings",
        [
            Settings(sequence_length=256, micro_batch_size=2, precision="bf16"),
            Settings(sequence_length=256, micro_batch_size=2, micro_batches=2, recompute="full", optimizer="adamw-foreach"),
            Settings(sequence_length=128, micro_batch_size=3, precision="bf16", attention="eager", optimizer="muon"),
        ],
        ids=["bf16", "autocast-full", "eager-muon"],
    )
    def test_they_are_right(self, settings: Settings) -> None:
        """Within a ten-thousandth; of so small a model's peak a few blocks of 512 bytes that are not followed are more."""
        real, ours = measure(LLAMA, settings), predicted(LLAMA, settings)
        assert ours.peak == pytest.approx(real.peak, rel=1e-4, abs=32 * 512)
        assert ours.first_step_peak == pytest.approx(real.first_step_peak, rel=1e-4)
        assert ours.saved_for_backward == pytest.approx(real.saved_for_backward, rel=1e-4)
        assert ours.saved_weight_casts == pytest.approx(real.saved_weight_casts, rel=1e-4)

    def test_a_model_is_measured_as_its_config(self) -> None:
        config = {k: v for k, v in LLAMA.items() if k != "model_type"}
        model = Model(name="tiny", architecture="llama", config=config, source=Source.assumption("a test"))
        settings = Settings(sequence_length=64)
        assert measure(model, settings) == measure(LLAMA, settings)

    def test_the_command(self) -> None:
        command = [sys.executable, "-m", "llmplan", "measure", "small_modules:chain", "--sequence-length", "64", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(HERE)})
        assert '"unanswered"' in done.stdout
        assert '"peak"' in done.stdout
