"""
What plugins do, and what they cannot do to others.

The packages here are real: folders with metadata on ``sys.path``, read by the finder that reads installed ones.
"""

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import importlib_metadata
import pytest
from importlib_metadata import EntryPoint

from llmplan.errors import JobError, PluginError, UnknownNameError
from llmplan.nouns.hardware import Hardware
from llmplan.nouns.model import Model
from llmplan.reading import write
from llmplan.registry import REGISTRIES, Registry, discovery, hardwares

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "plugins" / "llmplan-example-gpu"
CARD = write(hardwares["rtx-4070"])


def card(name: str) -> str:
    """A card called *name*, as TOML."""
    return write(hardwares["rtx-4070"].evolve(name=name))


class Site:
    """A folder of installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self, name: str, files: Mapping[str, str | bytes], *lines: str, version: str = "1.0", group: str = "llmplan.hardware"
    ) -> None:
        """Put a package there: its *files*, and metadata with *lines* in one entry-point *group*."""
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")

    def find(self, group: str) -> Iterable[EntryPoint]:
        """The entry points of the packages there, those found last first."""
        dists = importlib_metadata.distributions(path=[str(self.folder)])
        return [entry for dist in dists for entry in dist.entry_points if entry.group == group][::-1]

    @property
    def hardwares(self) -> Registry[Hardware]:
        """A registry of what is there."""
        return Registry("hardware", Hardware, "llmplan.hardware", find=self.find)


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


class TestCatalogue:
    def test_every_toml_file_of_a_folder_is_an_item(self, site: Site) -> None:
        files = {"acme/hw/b2.toml": card("b2"), "acme/hw/a1.toml": card("a1"), "acme/hw/READ.md": ""}
        site.install("acme", files, "acme = acme.hw")
        assert list(site.hardwares) == ["a1", "b2"]
        assert site.hardwares["a1"].name == "a1"
        assert site.hardwares.origin("a1") == ("acme", "1.0", "acme.hw")

    def test_a_package_itself_may_be_the_folder(self, site: Site) -> None:
        site.install("acme", {"acme/__init__.py": "", "acme/a1.toml": card("a1"), "acme/.hidden.toml": ""}, "acme = acme")
        assert site.hardwares.usable().keys() == {"a1"}
        assert not site.hardwares.failures()

    def test_a_package_that_raises_harms_nothing(self, site: Site) -> None:
        """The package of a catalogue is not executed, neither for the names nor for the items."""
        site.install("acme", {"acme/__init__.py": "raise SystemExit", "acme/hw/a1.toml": card("a1")}, "acme = acme.hw")
        assert site.hardwares["a1"].name == "a1"
        assert "acme" not in sys.modules

    def test_a_zipped_package_is_read_too(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        archive = site.folder / "zipped.whl"
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("acme_zip/__init__.py", "raise RuntimeError")
            zipped.writestr("acme_zip/hw/a1.toml", card("a1"))
            zipped.writestr("acme_zip-1.0.dist-info/METADATA", "Name: acme-zip\nVersion: 1.0\n")
            zipped.writestr("acme_zip-1.0.dist-info/entry_points.txt", "[llmplan.hardware]\nacme = acme_zip.hw\n")
        monkeypatch.syspath_prepend(archive)
        zipped_site = Site(archive)
        assert zipped_site.hardwares["a1"].name == "a1"
        assert zipped_site.hardwares.origin("a1").package == "acme-zip"

    def test_an_importer_of_an_editable_install_is_asked(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """setuptools puts a finder on ``sys.meta_path`` that knows the package's folder elsewhere."""
        files = {"elsewhere/__init__.py": "raise RuntimeError", "elsewhere/hw/a1.toml": card("a1")}
        site.install("acme", files, "acme = acme_edit.hw")
        folder = site.folder / "elsewhere"

        class Finder:
            @classmethod
            def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG003
                if name != "acme_edit":
                    return None
                return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])

        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
        assert site.hardwares["a1"].name == "a1"

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ("acme_missing.hw", "no package 'acme_missing'"),
            ("acme.hw2", "no folder 'hw2'"),
            ("acme.empty", "no \\*.toml file"),
            ("acme_module.hw", "is a module"),
            ("acme/../hw", "neither 'package.folder'"),
            ("acme..hw", "neither 'package.folder'"),
            ("", "neither 'package.folder'"),
        ],
    )
    def test_a_catalogue_that_cannot_be_listed_is_told(self, site: Site, value: str, reason: str) -> None:
        site.install("acme", {"acme/hw/a1.toml": card("a1"), "acme/empty/x.txt": "", "acme_module.py": ""}, "good = acme.hw")
        points = [*site.find("llmplan.hardware"), EntryPoint("bad", value, "llmplan.hardware")]
        registry = Registry("hardware", Hardware, "llmplan.hardware", find=lambda _: points)
        assert list(registry) == ["a1"]
        with pytest.raises(PluginError, match=reason):
            raise registry.failures()[f"bad = {value}"]
        with pytest.raises(UnknownNameError) as caught:
            registry["b2"]
        assert "may offer more" in caught.value.__notes__[0]


BROKEN = {
    "raises": ("raise ValueError('no luck')", "ValueError: no luck"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "recurses": ("def f(): f()\nf()", "RecursionError"),
    "misses": ("import acme_that_is_not_there", "ModuleNotFoundError"),
    "grammar": ("def", "SyntaxError"),
    "nothing": ("", "AttributeError"),
    "lies": ("item = 5", "expected a Hardware, or a function that returns one, and got a builtins.int"),
    "lies_late": ("def item(): return 5", "and got a builtins.int"),
    "needs": ("def item(x): return x", "TypeError"),
    "class_itself": ("from llmplan.nouns.hardware import Hardware as item", "SpecError|TypeError"),
    "other_noun": ("from llmplan.registry import models\nitem = models['gpt2']", "and got a llmplan.nouns.model.Model"),
    "api_of_module": ("llmplan_api = 2\nitem = 5", "version 2 .* keeps version 1"),
    "api_of_object": ("def item(): pass\nitem.llmplan_api = '1'", "version '1' .* keeps version 1"),
    "says_nothing": (
        "class E(Exception):\n def __str__(self): raise RuntimeError\nraise E",
        "is broken: E$",
    ),
    "generator": ("raise GeneratorExit", "GeneratorExit"),
}


class TestObject:
    def test_a_noun_or_a_function_that_returns_one(self, site: Site) -> None:
        code = """
            from llmplan.registry import hardwares
            llmplan_api = 1
            noun = hardwares["rtx-4070"].evolve(name="noun")
            def made(): return noun.evolve(name="made")
            """
        site.install("acme", {"acme_objects.py": code}, "noun = acme_objects:noun", "made = acme_objects:made")
        assert {name: noun.name for name, noun in site.hardwares.usable().items()} == {"noun": "noun", "made": "made"}

    @pytest.mark.parametrize("name", BROKEN)
    def test_a_broken_item_harms_who_asks_for_it_and_nobody_else(self, site: Site, name: str) -> None:
        code, reason = BROKEN[name]
        site.install("acme-gpus", {f"acme_{name}.py": code}, f"broken = acme_{name}:item", version="0.3")
        site.install("good", {"acme_good/a1.toml": card("a1")}, "good = acme_good")
        registry = site.hardwares
        assert list(registry) == ["a1", "broken"]
        assert registry["a1"].name == "a1"
        with pytest.raises(PluginError, match=reason) as caught:
            registry["broken"]
        error = caught.value
        assert (error.kind, error.name, error.package, error.version) == ("hardware", "broken", "acme-gpus", "0.3")
        assert error.entry_point == f"acme_{name}:item"
        assert list(registry.failures()) == ["broken"]
        assert list(registry.usable()) == ["a1"]

    def test_an_interruption_is_no_fault(self, site: Site) -> None:
        site.install("acme", {"acme_stop.py": "raise KeyboardInterrupt"}, "stop = acme_stop:item")
        with pytest.raises(KeyboardInterrupt):
            site.hardwares["stop"]

    def test_what_a_plugin_prints_is_not_our_output(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.install("acme", {"acme_loud.py": "print('hello')\nraise ValueError"}, "loud = acme_loud:item")
        with pytest.raises(PluginError):
            site.hardwares["loud"]
        sys.stdout.write("ours\n")
        assert capsys.readouterr() == ("ours\n", "hello\n")

    def test_the_cause_is_kept(self, site: Site) -> None:
        site.install("acme", {"acme_cause.py": "1 / 0"}, "cause = acme_cause:item")
        with pytest.raises(PluginError) as caught:
            site.hardwares["cause"]
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


class TestToml:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (CARD.replace("api = 1", "api = 2", 1), "api = 2, and llmplan .* reads api = 1"),
            (CARD.replace("api = 1", "", 1), "api"),
            ("api = 1\nname = ", "SpecError"),
            ("api = 1\nname = 1\nname = 2", "SpecError"),
            (b"api = 1\nname = '\xff'", "UnicodeDecodeError"),
            ("", "SpecError"),
            ("api = 1\nnmae = 'x'", "Did you mean 'name'"),
        ],
    )
    def test_a_broken_file_is_the_fault_of_its_name(self, site: Site, text: str | bytes, reason: str) -> None:
        site.install("acme", {"acme/bad.toml": text, "acme/good.toml": card("good")}, "acme = acme")
        assert list(site.hardwares) == ["bad", "good"]
        assert site.hardwares["good"].name == "good"
        with pytest.raises(PluginError, match=reason):
            site.hardwares["bad"]

    def test_all_faults_of_a_file_are_told_with_the_file(self, site: Site) -> None:
        site.install("acme", {"acme/bad.toml": "api = 1\nname = 'bad'\nyear = 'x'"}, "acme = acme")
        with pytest.raises(PluginError, match=r"bad\.toml") as caught:
            site.hardwares["bad"]
        assert "Hardware.year" in caught.value.cause
        assert "Hardware.tdp" in caught.value.cause


class TestDuplicates:
    def test_a_name_of_two_packages_is_told_with_both(self, site: Site) -> None:
        site.install("zeta-gpus", {"acme_z/a1.toml": card("a1"), "acme_z/z1.toml": card("z1")}, "zeta = acme_z")
        site.install("acme-gpus", {"acme_a/a1.toml": card("a1")}, "acme = acme_a", version="0.3")
        registry = site.hardwares
        assert list(registry) == ["a1", "z1"]
        assert registry["z1"].name == "z1"
        both = r"by acme-gpus 0.3 \(acme = acme_a\) and by zeta-gpus 1.0 \(zeta = acme_z\)"
        with pytest.raises(PluginError, match=both) as caught:
            registry["a1"]
        assert caught.value.package == "acme-gpus, zeta-gpus"

    def test_a_built_in_name_is_no_exception(self, site: Site) -> None:
        """Nobody can put another card in the place of ours unseen; leaving the plugin out gives ours back."""
        site.install("acme-gpus", {"acme_a/h100-sxm.toml": card("h100-sxm")}, "acme = acme_a")

        def find(group: str) -> Iterable[EntryPoint]:
            return [*discovery.installed(group), *site.find(group)]

        registry = Registry("hardware", Hardware, "llmplan.hardware", find=find)
        with pytest.raises(PluginError, match=r"acme-gpus 1.0 .* and by llmplan"):
            registry["h100-sxm"]
        assert registry["rtx-4070"] == hardwares["rtx-4070"]

    def test_one_package_that_offers_a_name_twice_is_told_too(self, site: Site) -> None:
        site.install("acme", {"acme/a1.toml": card("a1")}, "one = acme", "a1 = acme_objects:a1")
        with pytest.raises(PluginError, match="offered 2 times"):
            site.hardwares["a1"]


class TestFamily:
    CODE = """
        from llmplan.errors import JobError
        from llmplan.registry import models

        def tower(*, depth):
            if depth % 2:
                raise JobError([f"no tower of depth {depth}: the nearest is {depth + 1}"])
            if depth > 100:
                raise ZeroDivisionError
            return models["gpt2"].evolve(name=f"tower-{depth}", config={"n_layer": depth})
        """

    @pytest.fixture(name="models")
    def _models(self, site: Site) -> Registry[Model]:
        site.install("acme", {"acme_tower.py": self.CODE}, "tower-{depth} = acme_tower:tower", group="llmplan.model")
        return Registry("model", Model, "llmplan.model", find=site.find)

    def test_a_member_is_made_when_asked_for(self, models: Registry[Model]) -> None:
        assert models["tower-12"]["n_layer"] == 12
        assert models["tower-12"] is models["tower-12"]
        assert list(models) == []
        assert not models.failures()

    def test_a_number_that_cannot_be_built_is_answered_by_the_family(self, models: Registry[Model]) -> None:
        with pytest.raises(JobError, match="the nearest is 22"):
            models["tower-21"]

    def test_a_family_that_fails_is_broken(self, models: Registry[Model]) -> None:
        with pytest.raises(PluginError, match="ZeroDivisionError"):
            models["tower-102"]

    def test_a_file_cannot_be_a_family(self, site: Site) -> None:
        site.install("acme-2", {"acme_2/a-{n}.toml": card("a-1")}, "acme = acme_2")
        assert not site.hardwares.families
        assert "only a function" in str(site.hardwares.failures())


class TestNarrowing:
    @pytest.fixture(autouse=True)
    def _plugins(self, site: Site) -> Iterator[None]:
        site.install("Acme.GPUs", {"acme_a/acme-1.toml": card("acme-1")}, "acme = acme_a")
        site.install("other", {"acme_o/other-1.toml": card("other-1")}, "other = acme_o")
        hardwares.refresh()
        yield
        hardwares.refresh()

    def names(self) -> set[str]:
        hardwares.refresh()
        return {"acme-1", "other-1", "h100-sxm"} & set(hardwares)

    def test_all_plugins_are_found_where_nothing_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(discovery.VARIABLE, raising=False)
        assert self.names() == {"acme-1", "other-1", "h100-sxm"}

    @pytest.mark.parametrize("text", ["acme-gpus", " ACME_gpus ,", "acme..gpus,not-there"])
    def test_those_that_are_named_are_found_and_the_built_ins(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv(discovery.VARIABLE, text)
        assert self.names() == {"acme-1", "h100-sxm"}
        with pytest.raises(UnknownNameError) as caught:
            hardwares["other-1"]
        assert discovery.VARIABLE in caught.value.__notes__[-1]

    @pytest.mark.parametrize("text", ["", " ", ","])
    def test_an_empty_value_leaves_the_built_ins(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv(discovery.VARIABLE, text)
        assert self.names() == {"h100-sxm"}

    def test_a_misspelt_package_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(discovery.VARIABLE, "acme-gpus,otter")
        assert discovery.not_installed() == ("otter",)

    def test_a_package_with_unreadable_metadata_hides_no_other(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(discovery.VARIABLE, raising=False)
        site.install("rotten", {}, "rotten = acme_r")
        (site.folder / "rotten-1.0.dist-info" / "entry_points.txt").write_bytes(b"[llmplan.hardware]\nrotten = \xff\n")
        assert self.names() == {"acme-1", "other-1", "h100-sxm"}
        assert "UnicodeDecodeError" in discovery.broken()["rotten"]


class TestExample:
    """The example that authors copy from is built, installed and passes the kit, as a stranger's would."""

    @pytest.fixture(scope="class", name="wheel")
    @staticmethod
    def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("example")
        source = folder / "source"
        shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("dist", "__pycache__"))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        build = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        return wheel

    @staticmethod
    def run(path: Path, *args: str) -> str:
        """What a fresh interpreter prints that has *path* before ours."""
        code = f"import sys; sys.path[:0] = {[str(path), *sys.path]!r}\n"
        env = {key: value for key, value in os.environ.items() if key != discovery.VARIABLE}
        command = [sys.executable, "-c", code + args[0], *args[1:]]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    ASK = """
from llmplan.registry import hardwares
print("example-gpu" in hardwares, "llmplan_example_gpu" in sys.modules, hardwares["example-gpu"].name)
print(*hardwares.origin("example-gpu"))
"""
    ANSWER = "True False example-gpu\nllmplan-example-gpu 0.1.0 llmplan_example_gpu\n"

    def test_the_wheel_holds_what_it_should(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as zipped:
            inside = {name for name in zipped.namelist() if not name.startswith("llmplan_example_gpu-")}
        assert inside == {f"llmplan_example_gpu/{name}" for name in ("__init__.py", "example-gpu.toml", "py.typed")}

    def test_a_zipped_wheel_is_found(self, wheel: Path) -> None:
        assert self.run(wheel, self.ASK) == self.ANSWER

    def test_an_installed_wheel_passes_the_kit(self, wheel: Path, tmp_path: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
        subprocess.run([*pip, "--target", str(tmp_path), str(wheel)], check=True, capture_output=True)
        assert self.run(tmp_path, self.ASK) == self.ANSWER
        kit = "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
        told = self.run(
            tmp_path, kit, "-q", "-p", "no:cacheprovider", "-c", str(EXAMPLE / "pyproject.toml"), str(EXAMPLE / "tests")
        )
        assert "passed" in told

    def test_an_editable_install_is_found(self, wheel: Path, tmp_path: Path) -> None:
        """An editable install is the metadata beside a ``.pth`` file, which the start of an interpreter reads."""
        with zipfile.ZipFile(wheel) as zipped:
            zipped.extractall(tmp_path, [name for name in zipped.namelist() if ".dist-info/" in name])
        (tmp_path / "example.pth").write_text(str(EXAMPLE / "src"))
        ask = f"import site; site.addsitedir({str(tmp_path)!r})\n{self.ASK}"
        assert self.run(tmp_path, ask) == self.ANSWER


def test_every_kind_is_narrowed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-ins are found by the same door as plugins, and without any plugin they are all there."""
    monkeypatch.setenv(discovery.VARIABLE, "")
    for registry in REGISTRIES.values():
        fresh = Registry(registry.kind, object, registry.group)
        assert {offer.origin.package for offer in fresh.offers()} == {"llmplan"}
