"""From a record of OpenEI's utility rate database (version 8) to a Tariff."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import attrs

from llmplan.errors import SpecError, UnsupportedError
from llmplan.nouns._noun import Noun, unknown_field
from llmplan.nouns.tariff import DemandTier, FixedStep, RowOverride, Tariff, Tax, Tier, TotalTable
from llmplan.sources import Source

N = TypeVar("N", bound=Noun)

_SAME = frozenset(
    """
    name utility country energyweekdayschedule energyweekendschedule demandweekdayschedule demandweekendschedule
    flatdemandmonths lookbackpercent lookbackrange fixedchargefirstmeter fixedchargeunits mincharge
    minchargeunits status
    """.split()  # noqa: SIM905  words, not a column of fifty quoted ones
)
"""Fields that mean the same here and have the same name."""

_SAID = frozenset(
    """
    label uri source sourceparent eiaid eia type approved is_default revisions supercedes supersedes sector
    servicetype description basicinformationcomments voltagecategory voltageminimum voltagemaximum phasewiring
    peakkwcapacityhistory peakkwcapacitymin peakkwcapacitymax peakkwhusagehistory peakkwhusagemin
    peakkwhusagemax demandunits demandrateunit flatdemandunit demandcomments demandattrs energycomments
    energyattrs fixedattrs fixedkwcomments dgrules usenetmetering fixedchargeeaaddl energykeyvals
    demandkeyvals fixedkeyvals coincidentrateschedule coincidentrateunit
    """.split()  # noqa: SIM905  words, not a column of fifty quoted ones
)
"""Fields that say who may buy, or describe; one meter that sends nothing back is billed the same whatever they hold."""

_CHANGES = {
    "coincidentratestructure": "demand at the hour of the grid's own peak, which nobody knows beforehand",
    "demandratchetpercentage": "a ratchet by month",
    "demandreactivepowercharge": "a charge on reactive power",
    "fueladjustmentsmonthly": "a fuel adjustment by month",
    "lookbackmonths": "a ratchet on chosen months",
    "fixedmonthlycharge": "a field of URDB version 2, now fixedchargefirstmeter",
    "minmonthlycharge": "a field of URDB version 2, now mincharge",
    "annualmincharge": "a minimum over the year",
    "flatratebuy": "a field of URDB version 1",
}
"""Fields that would change the bill and are not modelled, and why."""

_EXTRA = frozenset(
    """
    currency prices_include_tax taxes energysaturdayschedule holidays slots_per_hour row_overrides tier_reset
    thresholds_per season_split by_total fixed_by_kwh contract_kw billing_months billing_start_month
    effective_from effective_to time_zone customer_class notes
    """.split()  # noqa: SIM905  words, not a column of fifty quoted ones
)
_AMERICAN = frozenset({"", "USA", "US", "United States"})


def tariff_of_record(record: Mapping[str, Any], source: Source | None) -> Tariff:
    """The tariff of a record; :meth:`Tariff.from_urdb` says more."""
    if not isinstance(record, Mapping):
        raise SpecError("Tariff", (f"expected a table, got {record!r:.80} @ Tariff",))
    return _Reading(record, source).tariff()


class _Reading:
    """One record being read; faults gather until the end."""

    def __init__(self, record: Mapping[str, Any], source: Source | None) -> None:
        # Keys of the API are in lower case but for lookbackPercent and its like.
        self._record = {str(key).lower(): value for key, value in record.items() if value is not None}
        self._source = source
        self._faults: list[str] = []

    def tariff(self) -> Tariff:
        extra = self._record.pop("x", {})
        if not isinstance(extra, Mapping):
            raise SpecError("Tariff", (f"expected a table, got {extra!r:.80} @ Tariff.x",))
        self._refuse()
        fields = self._own() | self._extra(extra)
        # A noun tells all of its own faults at once; those of its parts, found before, go with them.
        try:
            made = Tariff(**fields)
        except SpecError as exc:
            raise SpecError("Tariff", (*self._faults, *exc.faults)) from None
        if self._faults:
            raise SpecError("Tariff", tuple(self._faults))
        return made

    def _refuse(self) -> None:
        for name, reason in _CHANGES.items():
            if _says_something(self._record.get(name)):
                raise UnsupportedError(f"the tariff field {name}", reason)

    def _own(self) -> dict[str, Any]:
        fields = {name: self._record[name] for name in _SAME if name in self._record}
        fields["source"] = self._source or _source(self._record)
        fields["currency"] = "USD" if self._record.get("country", "") in _AMERICAN else "unknown"
        if "name" not in fields:
            self._faults.append("required field missing @ Tariff.name")
            fields["name"] = "nameless"
        for name in ("energyratestructure",):
            fields[name] = self._structure(Tier, name, self._record.get(name, ()))
        for name in ("demandratestructure", "flatdemandstructure"):
            fields[name] = self._structure(DemandTier, name, self._record.get(name, ()))
        for name, key in (("effective_from", "startdate"), ("effective_to", "enddate")):
            if key in self._record:
                fields[name] = self._date(key, self._record[key])
        known = (
            _SAME
            | _SAID
            | set(_CHANGES)
            | {"energyratestructure", "demandratestructure", "flatdemandstructure", "startdate", "enddate"}
        )
        # A key with an underscore in front is the database's own, such as _id.
        fields["unread"] = tuple(sorted(key for key in self._record if key not in known and not key.startswith("_")))
        return {name: _country(value) if name == "country" else value for name, value in fields.items()}

    def _extra(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        fields = {key: value for key, value in extra.items() if value is not None}
        self._faults += [unknown_field(Tariff, key).replace("@ Tariff", "@ Tariff.x") for key in fields if key not in _EXTRA]
        fields = {key: value for key, value in fields.items() if key in _EXTRA}
        if "taxes" in fields:
            fields["taxes"] = self._nouns(Tax, "x.taxes", fields["taxes"])
        if "holidays" in fields:
            fields["holidays"] = self._holidays(fields["holidays"])
        if "row_overrides" in fields:
            fields["row_overrides"] = self._nouns(RowOverride, "x.row_overrides", _renamed(fields["row_overrides"]))
        if "fixed_by_kwh" in fields:
            fields["fixed_by_kwh"] = self._nouns(FixedStep, "x.fixed_by_kwh", fields["fixed_by_kwh"])
        if "by_total" in fields:
            fields["by_total"] = tuple(self._tables(fields["by_total"]))
        return fields

    def _tables(self, tables: object) -> Iterator[TotalTable]:
        for i, table in enumerate(self._list("x.by_total", tables)):
            where = f"x.by_total[{i}]"
            if not isinstance(table, Mapping):
                self._faults.append(f"expected a table, got {table!r:.80} @ Tariff.{where}")
                continue
            prices = self._structure(Tier, f"{where}.energyratestructure", table.get("energyratestructure", ()))
            made = self._made(TotalTable, where, {**table, "energyratestructure": prices})
            if made is not None:
                yield made

    def _structure(self, cls: type[N], where: str, structure: object) -> tuple[tuple[N, ...], ...]:
        return tuple(
            self._nouns(cls, f"{where}[{i}]", [self._tier(tier) for tier in self._list(f"{where}[{i}]", tiers)])
            for i, tiers in enumerate(self._list(where, structure))
        )

    def _tier(self, tier: object) -> object:
        if not isinstance(tier, Mapping):
            return tier
        unit = tier.get("unit", "kWh")
        if unit in {"kWh/kW", "kWh/kW daily"}:
            raise UnsupportedError(f"a tier in {unit}", "its limit depends on the month's highest demand")
        # What the meter takes from the grid is billed; "sell" is for what it sends back.
        return {"rate": 0.0} | {key: value for key, value in tier.items() if key != "sell" and value is not None}

    def _nouns(self, cls: type[N], where: str, values: object) -> tuple[N, ...]:
        made = (self._made(cls, f"{where}[{i}]", value) for i, value in enumerate(self._list(where, values)))
        return tuple(noun for noun in made if noun is not None)

    def _made(self, cls: type[N], where: str, value: object) -> N | None:
        if not isinstance(value, Mapping):
            self._faults.append(f"expected a table, got {value!r:.80} @ Tariff.{where}")
            return None
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)  # type: ignore[arg-type]  # every noun is an attrs class
        own = {field.name: field for field in fields}
        unknown = [f"{unknown_field(cls, key)} @ Tariff.{where}" for key in value if key not in own]
        missing = [
            f"required field missing @ Tariff.{where}.{name}"
            for name, field in own.items()
            if field.default is attrs.NOTHING and name not in value
        ]
        if unknown or missing:
            self._faults += [*unknown, *missing]
            return None
        try:
            return cls(**value)
        except SpecError as exc:
            self._faults += [f"{fault} @ Tariff.{where}" for fault in exc.faults]
            return None

    def _list(self, where: str, values: object) -> list[Any]:
        if isinstance(values, (list, tuple)):
            return list(values)
        self._faults.append(f"expected a list, got {values!r:.80} @ Tariff.{where}")
        return []

    def _holidays(self, holidays: object) -> object:
        if not isinstance(holidays, Mapping) or set(holidays) != {"as", "dates"} or holidays["as"] != "weekend":
            self._faults.append(f'expected {{"as": "weekend", "dates": [...]}}, got {holidays!r:.80} @ Tariff.x.holidays')
            return ()
        return holidays["dates"]

    def _date(self, key: str, value: Any) -> str | None:  # noqa: ANN401  whatever the record holds
        """URDB counts seconds since 1970 in UTC; its bulk file wraps them as ``{"$date": milliseconds or text}``."""
        if isinstance(value, Mapping):
            value = value.get("$date")
            value = value / 1000 if isinstance(value, (int, float)) else value
        try:
            if isinstance(value, str):
                return dt.datetime.fromisoformat(value).date().isoformat()
            return dt.datetime.fromtimestamp(value, dt.UTC).date().isoformat()
        except (TypeError, ValueError, OverflowError, OSError):
            self._faults.append(f"expected seconds since 1970 or an ISO date, got {value!r:.80} @ Tariff.{key}")
            return None


def _says_something(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_says_something, value))
    return bool(value)


def _renamed(overrides: object) -> object:
    """``from`` cannot be a Python name, so a RowOverride has start and end."""
    if not isinstance(overrides, (list, tuple)):
        return overrides
    names = {"from": "start", "to": "end"}
    return [
        {names.get(key, key): value for key, value in item.items()} if isinstance(item, Mapping) else item for item in overrides
    ]


def _country(value: object) -> object:
    return "US" if value in _AMERICAN and value else value


def _source(record: Mapping[str, Any]) -> Source:
    title = record.get("source") or record.get("name") or "a utility rate database record"
    return Source(kind="secondary", title=str(title), url=str(record.get("uri", "")))
