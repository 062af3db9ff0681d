"""From texts to numbers: the table, the grammar, the kinds, and the registry that everybody shares."""

import math
import subprocess
import sys
import textwrap
import time

import numpy as np
import pint
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmplan import units
from llmplan.errors import UnitError
from llmplan.units import CURRENCIES, base, factor, human, is_quantity, magnitude, quantity, split, spread, ureg

COMMON = sorted(units._COMMON)
common_units = st.sampled_from(COMMON)
kinds = {text: kind for text, (_, kind) in units._COMMON.items()}
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def alike(draw):
    """Two common units that measure the same thing."""
    first = draw(common_units)
    return first, draw(st.sampled_from([text for text in COMMON if kinds[text] == kinds[first]]))


def fresh(code):
    """Run *code* in a new interpreter; its output."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(name="own_registry")
def _own_registry():
    """The application has set a registry of its own; it is taken back afterwards."""
    before = pint.get_application_registry().get()
    mine = pint.UnitRegistry()
    pint.set_application_registry(mine)
    yield mine
    pint.set_application_registry(before)


class TestTable:
    @pytest.mark.parametrize("text", COMMON)
    def test_agrees_with_pint(self, text):
        """What the table says of a unit is what pint says."""
        worth, kind = units._COMMON[text]

        converted = ureg().Quantity(1.0, text).to(kind)

        assert worth == pytest.approx(converted.magnitude, rel=1e-12)
        assert str(ureg().get_root_units(text)[1]) == str(ureg().get_root_units(kind)[1])

    def test_base_units_are_their_own(self):
        """A base unit is worth one of itself."""
        assert all(base(kind) == (1.0, kind) for kind in kinds.values())

    def test_kinds_differ_to_pint_too(self):
        """No two kinds have the same root units, or a unit outside the table would be ambiguous."""
        roots = [str(ureg().get_root_units(kind)[1]) for kind in dict.fromkeys(kinds.values())]

        assert len(set(roots)) == len(roots)

    def test_decimal_and_binary(self):
        """GB is 10^9 bytes and GiB is 2^30, always."""
        assert (base("GB")[0], base("GiB")[0]) == (1e9, 2**30)

    def test_loads_no_pint(self):
        """The table answers without pint, which costs a quarter of a second."""
        code = """
            import sys
            from llmplan.units import base, factor, human, is_quantity, magnitude, split
            assert split("504.2 GB/s") == (504.2, "GB/s")
            assert factor("GiB", "byte") == 2**30 and magnitude("2 kWh", "J") == 7.2e6 and base("PFLOPS")[1] == "FLOPS"
            assert human(2**34, "byte") == "16.0 GiB" and not is_quantity(3)
            print("pint" in sys.modules, "numpy" in sys.modules)
        """
        assert fresh(code) == "False False"


class TestSplit:
    @given(number=numbers, unit=common_units)
    @example(number=-0.0, unit="byte")
    def test_takes_what_python_prints(self, number, unit):
        """Any float, as Python writes it, before any unit."""
        assert split(f"{number!r} {unit}") == (number, unit)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("80GB", (80.0, "GB")),
            ("  80   GB ", (80.0, "GB")),
            ("+1e3 W", (1000.0, "W")),
            (".5 GiB", (0.5, "GiB")),
            ("1_000 GB", (1000.0, "GB")),
            ("8EB", (8.0, "EB")),
            ("70 B", (70.0, "B")),
            ("300 K", (300.0, "K")),
            ("494 g / kWh", (494.0, "g/kWh")),
            ("494 g per kWh", (494.0, "g/kWh")),
            ("3 m^2", (3.0, "m**2")),
            ("3 m ** -2", (3.0, "m**-2")),
            ("2 1/s", (2.0, "1/s")),
            ("3 kW*h", (3.0, "kW*h")),
            ("5 μs", (5.0, "µs")),
        ],
    )
    def test_reads(self, text, expected):
        """The ways in which people write."""
        assert split(text) == expected

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("70B", "7e+10 for a count"),
            ("7b", "7e+09 for a count"),
            ("8k", "8000 for a count"),
            ("128K", "128000 for a count"),
            ("1 Gb", "'GB' for bytes, 'Gbit' for bits"),
            ("1 kb/s", "'kB' for bytes, 'kbit' for bits"),
            ("1 mb", "'MB' for bytes, 'Mbit' for bits"),
            ("1 Gib", "'GiB' for bytes, 'Gibit' for bits"),
            ("8 b", "'B' for bytes, 'bit' for bits"),
            ("80", "the unit is missing"),
            ("GB", "does not begin with a number"),
            ("", "does not begin with a number"),
            ("nan GB", "does not begin with a number"),
            ("inf GB", "does not begin with a number"),
            ("-inf GB", "does not begin with a number"),
            ("1e999 GB", "not finite"),
            ("1,000 GB", "without commas"),
            ("9**9**9 GB", "at most one power"),
            ("1 GB^9^9^9", "at most one power"),
            ("1 GB**9**9", "at most one power"),
            ("1 GB**10", "at most one power"),
            ("1 GB**0.5", "at most one power"),
            ("1 (GB)", "product or quotient"),
            ("1 GB per card per", "product or quotient"),
            ("1 GB; import os", "product or quotient"),
            ("1 " + "GB*" * 10_000 + "GB", ""),
            ("9" * 10_000 + " GB", ""),
        ],
    )
    def test_refuses(self, text, hint):
        """What is no quantity, or easily mistaken, is refused with what to write instead."""
        with pytest.raises(UnitError) as caught:
            split(text)

        assert hint in str(caught.value)
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize("value", [80, 80.5, None, b"80 GB", ["80 GB"], float("nan"), True])
    def test_refuses_what_is_no_text(self, value):
        """A bare number has no unit to be split off."""
        with pytest.raises(UnitError):
            split(value)

    @given(st.text(max_size=300))
    @example("1" + "_1" * 140)
    @example("1 " + "a/" * 140)
    @example("1 a" + " " * 140 + "a")
    def test_never_hangs(self, text):
        """Any text is read or refused, at once."""
        start = time.process_time()
        try:
            value, unit = split(text)
        except UnitError:
            pass
        else:
            assert math.isfinite(value)
            assert unit
        assert time.process_time() - start < 1

    @given(st.text(alphabet="0123456789 GBkWhs/*^.-+eE()", max_size=40))
    def test_never_raises_anything_else(self, text):
        """Whatever almost is a quantity ends in a number or in UnitError, pint's part included."""
        try:
            result = magnitude(text, "byte")
        except UnitError:
            return
        assert math.isfinite(result)


class TestFactor:
    @given(alike())
    def test_there_and_back(self, pair):
        """The factor back is the inverse of the factor there."""
        first, second = pair

        assert factor(first, second) * factor(second, first) == pytest.approx(1, rel=1e-15)

    @given(common_units)
    def test_to_itself(self, unit):
        """A unit is exactly one of itself."""
        assert factor(unit, unit) == 1

    @given(st.floats(min_value=0, max_value=1e18))
    def test_gb_and_gib(self, value):
        """A number of GB is the same memory after a round trip by GiB."""
        assert value * factor("GB", "GiB") * factor("GiB", "GB") == pytest.approx(value, rel=1e-14)

    @given(common_units, common_units)
    def test_kinds(self, first, second):
        """Units of different kinds are never converted into one another."""
        if kinds[first] == kinds[second]:
            assert factor(first, second) > 0
        else:
            with pytest.raises(UnitError, match="it measures"):
                factor(first, second)

    @pytest.mark.parametrize(
        ("unit", "target", "expected"),
        [
            ("furlong/fortnight", "m/s", 1.66309e-4),
            ("kB/day", "byte/second", 1000 / 86400),
            ("hp", "W", 745.6998715822702),
            ("USD/kWh", "USD/MWh", 1000),
            ("W*h", "J", 3600),
            ("kg*m**2/s**3", "W", 1),
            ("GB*s/s", "byte", 1e9),
            ("pound/kWh", "g/kWh", 453.59237),
        ],
    )
    def test_beyond_the_table(self, unit, target, expected):
        """pint knows the rest, and a rare unit of a common kind has the common base."""
        assert factor(unit, target) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(
        ("unit", "target"),
        [
            ("byte", "rad"),
            ("byte/s", "Hz"),
            ("bit", "dimensionless"),
            ("byte", "count"),
            ("token", "byte"),
            ("TWD", "USD"),
            ("USD/kWh", "EUR/kWh"),
            ("FLOP", "FLOPS"),
            ("W", "J"),
        ],
    )
    def test_looks_alike(self, unit, target):
        """What pint takes for dimensionless alike is told apart."""
        with pytest.raises(UnitError):
            factor(unit, target)

    def test_an_amount_is_no_rate(self):
        """TFLOPs reads as an amount: the message says how a rate is written."""
        with pytest.raises(UnitError, match="TFLOPS or TFLOP/s"):
            factor("TFLOPs", "TFLOPS")

    @pytest.mark.parametrize(("unit", "near"), [("GBB", "GB"), ("KB", "kB"), ("TOPS", "TFLOPS"), ("kiB", "KiB"), ("kwh", "kWh")])
    def test_names_the_nearest(self, unit, near):
        """A unit that there is not is refused with the nearest that there is."""
        with pytest.raises(UnitError, match=f"Did you mean '{near}'"):
            factor(unit, "byte")

    @pytest.mark.parametrize("unit", ["degC", "degF", "dB", "dBm"])
    def test_a_zero_of_its_own(self, unit):
        """A factor cannot convert what does not begin at nothing."""
        with pytest.raises(UnitError, match="zero of its own"):
            base(unit)


class TestMagnitude:
    @given(numbers, common_units)
    def test_of_itself(self, number, unit):
        """A number in its own unit is the number, to the bit."""
        assert magnitude(f"{number!r} {unit}", unit) == number

    @given(st.floats(min_value=1e-6, max_value=1e15), alike())
    def test_text_and_quantity_agree(self, number, pair):
        """A text and the pint quantity of the same value are the same number."""
        unit, target = pair

        assert magnitude(f"{number!r} {unit}", target) == magnitude(quantity(number, unit), target)

    @pytest.mark.parametrize("value", [80, 80.0, 0, True, np.float64(3), None, [], {}, object(), math.nan])
    def test_refuses_what_has_no_unit(self, value):
        """No bare number, and nothing else either."""
        with pytest.raises(UnitError, match="a quantity in byte"):
            magnitude(value, "byte")

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**400, np.array([1.0, 2.0])])
    def test_refuses_what_is_no_finite_number(self, number):
        """One finite number, or nothing."""
        with pytest.raises(UnitError):
            magnitude(quantity(number, "GB"), "byte")

    def test_overflow(self):
        """A number that is finite in its own unit alone is refused in the other."""
        with pytest.raises(UnitError, match="not finite"):
            magnitude("1e300 EB", "byte")

    def test_kind(self):
        """The message says what it measures instead."""
        with pytest.raises(UnitError, match="it measures watt and not byte"):
            magnitude("80 W", "byte")

    def test_quantity_of_another_registry(self):
        """A foreign quantity is read by its text, where pint refuses to mix registries."""
        assert magnitude(pint.UnitRegistry().Quantity(2, "GiB"), "byte") == 2**31


class TestRegistry:
    def test_is_the_applications(self):
        """The registry is the one that pint hands to everybody."""
        assert ureg() is pint.get_application_registry().get()

    def test_quantities_mix_with_the_hosts(self):
        """A quantity that the program made and one of ours add up."""
        assert (pint.Quantity(1, "GB") + quantity(1, "GB")).to("GB").magnitude == 2

    @pytest.mark.parametrize("unit", ["FLOP", "FLOPS", "TFLOPS", "token", "tokens/s", *CURRENCIES])
    def test_knows_our_units(self, unit):
        """The units that pint lacks are there, prefixes and plurals included."""
        assert ureg().Quantity(1.0, unit) == quantity(1.0, unit)

    def test_currencies_do_not_mix(self):
        """There is no rate of exchange without a date."""
        with pytest.raises(pint.DimensionalityError):
            quantity(1, "USD") + quantity(1, "TWD")

    def test_no_currency_is_read_as_another_unit(self):
        """Each code is itself alone, and no unit of pint was lost to one."""
        assert [str(ureg().get_root_units(code)[1]) for code in CURRENCIES] == list(CURRENCIES)
        assert not set(CURRENCIES) & set(pint.UnitRegistry())

    def test_respects_a_registry_that_is_set_later(self, own_registry):
        """What the application sets, at any time, is what it gets back."""
        assert ureg() is own_registry
        assert quantity(1, "TFLOPS")._REGISTRY is own_registry
        assert factor("furlong", "m") == pytest.approx(201.168, rel=1e-4)

    def test_leaves_a_hosts_own_units(self, own_registry):
        """A unit that the program defined under one of our names stays the program's."""
        own_registry.define("USD = [money]")
        own_registry.define("TWD = 0.0314 * USD")

        assert factor("TWD", "USD") == pytest.approx(0.0314)
        assert factor("MWh", "kWh") == 1000

    def test_twice(self, own_registry):
        """Asking again defines nothing again: pint would warn."""
        assert ureg() is ureg() is own_registry

    def test_unknown_unit(self):
        """pint's own errors do not come through."""
        with pytest.raises(UnitError, match="no such unit"):
            quantity(1, "florins")

    def test_plain_numbers(self):
        """The empty text is the unit of a plain number."""
        assert quantity(0.5, "").dimensionless

    def test_arrays(self):
        """One quantity may hold an array."""
        assert quantity(np.array([1.0, 2.0]), "GB").to("MB").magnitude.tolist() == [1000, 2000]

    def test_is_quantity(self):
        """A quantity of any registry is one; what merely has a unit is not."""
        values = (quantity(1, "GB"), pint.UnitRegistry().Quantity(1, "m"), ureg().GB, 3, "3 GB")

        assert [is_quantity(value) for value in values] == [True, True, False, False, False]

    @pytest.mark.parametrize("host", ["", "import pint; pint.set_application_registry(pint.UnitRegistry())"])
    def test_sixteen_cold_threads(self, host):
        """Threads that ask at once, before anything is loaded, get what one gets."""
        code = f"""
            import sys, threading
            {host}
            from llmplan import units
            sys.setswitchinterval(1e-6)
            start, found, faults = threading.Barrier(16), [], []
            def ask():
                start.wait()
                try:
                    first = units.quantity(3, "TFLOPS") * units.quantity(2, "furlong") / units.quantity(1, "TWD/kWh")
                    found.append((id(units.ureg()), str(first.units), units.factor("furlong/s", "km/h"), units.base("GB*s/s")))
                except BaseException as error:
                    faults.append(repr(error))
            threads = [threading.Thread(target=ask) for _ in range(16)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            print(len(found), len(set(found)), faults)
        """
        assert fresh(code) == "16 1 []"


class TestHuman:
    @pytest.mark.parametrize(
        ("value", "unit", "expected"),
        [
            (12 * 2**30, "byte", "12.0 GiB"),
            (80, "GB", "74.5 GiB"),
            (500, "byte", "500 B"),
            (0, "GiB", "0.00 GiB"),
            (504.2e9, "byte/second", "504 GB/s"),
            (29.15e12, "FLOPS", "29.1 TFLOPS"),
            (4.3e20, "FLOP", "430 EFLOP"),
            (200, "W", "200 W"),
            (5600, "watt", "5.60 kW"),
            (3.6e6, "joule", "1.00 kWh"),
            (1100, "kWh", "1,100 kWh"),
            (25_000, "kWh", "25.0 MWh"),
            (90, "s", "90.0 s"),
            (0.35, "s", "350 ms"),
            (7200, "s", "2.00 h"),
            (38 * 86400, "s", "38.0 days"),
            (494, "g/kWh", "494 g/kWh"),
            (97_000, "g", "97.0 kg"),
            (1234.5, "TWD", "1,234.50 TWD"),
            (0.42, "", "0.42"),
            (1234, "tokens/s", "1,234 tokens/s"),
            (-12 * 2**30, "byte", "-12.0 GiB"),
            (1e30, "byte", "8.88e+14 PiB"),
        ],
    )
    def test_as_people_say_it(self, value, unit, expected):
        """Three digits, in the unit that people use at that size."""
        assert human(value, unit) == expected

    def test_interval(self):
        """The three numbers of an interval share the likely one's unit."""
        assert spread((0.5 * 2**30, 2**30, 2**31), "byte") == "1.00 GiB (0.50 - 2.00)"

    def test_interval_of_nothing(self):
        """An interval that is a point is said as one."""
        assert spread((3.0, 3.0, 3.0), "h") == "3.00 h"

    @given(st.floats(min_value=1e-3, max_value=1e15), common_units)
    def test_says_the_same_value(self, value, unit):
        """Read back, it is the value, to the digits shown."""
        text = human(value, unit)
        number, _, shown = text.replace(",", "").partition(" ")

        assert float(number) * factor(shown, unit) == pytest.approx(value, rel=0.006)
