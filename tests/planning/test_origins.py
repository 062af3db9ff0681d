"""Which packages a plan's nouns come from."""

from llmplan import Training, hardwares, machines, models, plan
from llmplan.planning import origins
from llmplan.planning.origins import versions
from llmplan.registry.discovery import Origin


def test_a_package_that_offered_an_item_is_named(plans, monkeypatch):
    """Beside llmplan itself, with its version; each package once."""
    published = origins.REGISTRIES["hardware"]

    class Elsewhere:
        origin = staticmethod(lambda _name: Origin("acme-gpus", "1.2", "acme.hardware"))
        __getitem__ = staticmethod(published.__getitem__)

    monkeypatch.setitem(origins.REGISTRIES, "hardware", Elsewhere())
    _forget()
    try:
        assert versions(plans["least"].case) == {"llmplan": versions(plans["least"].case)["llmplan"], "acme-gpus": "1.2"}
        # A card of one's own comes from nobody.
        assert list(versions(plans["renamed"].case)) == ["llmplan"]
    finally:
        monkeypatch.undo()
        _forget()


def _forget():
    for remembered in (origins._package_of_name, origins._package):
        remembered.cache_clear()


def test_a_machine_in_words_comes_from_the_published_one():
    """ "16x8 h100-sxm" is 8x-h100-sxm so many times, and a card alone stands in its host."""
    for name in ("16x8 h100-sxm", "8x-h100-sxm"):
        case = plan("gpt2", name, Training(tokens=1e9, micro_batch_size=1)).case
        assert origins.package_of_machine(case.machine) == ("llmplan", versions(case)["llmplan"])
    case = plan("gpt2", "rtx-4070", Training(tokens=1e9)).case
    assert origins.package_of_machine(case.machine) is not None


def test_what_was_changed_keeps_its_package_while_its_source_stands():
    """An optimizer in backward is still the package's; a model of another source is not."""
    model = models["gpt2"]
    assert origins._package("model", model) is not None
    assert origins._package("model", model.evolve(num_parameters_published=1)) is not None
    assert origins._package("model", model.evolve(name="mine")) is None
    assert origins._package("hardware", hardwares["rtx-4070"].evolve(tdp="150 W")) is None
    mine = machines["8x-h100-sxm"].evolve(name="mine", host_power="1 kW", hardware=hardwares["h100-sxm"])
    assert origins.package_of_machine(mine) is None
