"""
A second bill calculator, slow and plain, written from the description of the case format and sharing no code with llmplan.

It walks the real time line in half hours, so loads must begin and end on one.
"""

import datetime as dt
from fractions import Fraction
from zoneinfo import ZoneInfo

STEP = 1800


def number(value):
    return Fraction(str(value))


class Walked:
    """A load, half hour by half hour, over a stretch of local dates."""

    def __init__(self, record, zone, baseline, load, *, first, end):
        self.record, self.x, self.zone, self.baseline = record, record["x"], ZoneInfo(zone), baseline
        self.job_watts = number(load["watts"]) if load else Fraction(0)
        start = dt.datetime.fromisoformat(load["start"]).replace(tzinfo=self.zone).timestamp() if load else 0
        self.job = (start, start + load["hours"] * 3600) if load else (0, 0)
        self.rows = list(self.walk(self.instant(first), self.instant(end)))

    def instant(self, date):
        return int(dt.datetime(date.year, date.month, date.day, tzinfo=self.zone).timestamp())

    def walk(self, at, end):
        while at < end:
            local = dt.datetime.fromtimestamp(at, self.zone)
            watts = self.watts(local) + (self.job_watts if self.job[0] <= at < self.job[1] else 0)
            yield {
                "date": local.date(),
                "hour": (local.date(), local.hour, local.utcoffset()),
                "period": self.period("energy", local),
                "demand": self.period("demand", local) if "demandratestructure" in self.record else 0,
                "kwh": watts * STEP / 3_600_000,
            }
            at += STEP

    def watts(self, local):
        if "hourly_watts" in self.baseline:
            return number(self.baseline["hourly_watts"][local.hour])
        if "watts" in self.baseline:
            return number(self.baseline["watts"])
        by_month = self.baseline.get("kwh_by_month", [self.baseline.get("kwh_per_month")] * 12)
        kwh = by_month[local.month - 1]
        first = local.date().replace(day=1)
        hours = Fraction(self.instant((first + dt.timedelta(31)).replace(day=1)) - self.instant(first), 3600)
        return number(kwh) * 1000 / hours

    def month(self, date):
        for override in self.x.get("row_overrides", []):
            day, start, end = f"{date:%m-%d}", override["from"], override["to"]
            if start <= day <= end if start <= end else (day >= start or day <= end):
                return override["row"]
        return date.month

    def schedule(self, what, date):
        if str(date) in self.x.get("holidays", {"dates": []})["dates"] or date.weekday() == 6:
            return self.record.get(f"{what}weekendschedule")
        if date.weekday() == 5:
            saturday = self.x.get("energysaturdayschedule") if what == "energy" else None
            return saturday or self.record.get(f"{what}weekendschedule")
        return self.record.get(f"{what}weekdayschedule")

    def period(self, what, local):
        schedule = self.schedule(what, local.date())
        if not schedule:
            return 0
        row = schedule[self.month(local.date()) - 1]
        return row[local.hour] if len(row) == 24 else row[local.hour * 2 + local.minute // 30]

    def season(self, date):
        schedules = (
            self.record.get("energyweekdayschedule"),
            self.x.get("energysaturdayschedule") or self.record.get("energyweekendschedule"),
            self.record.get("energyweekendschedule"),
        )
        return str([schedule and schedule[self.month(date) - 1] for schedule in schedules])

    def between(self, first, end):
        return [row for row in self.rows if first <= row["date"] < end]

    def peaks(self, first, end):
        hours = {}
        for row in self.between(first, end):
            hours.setdefault(row["hour"], []).append(row)
        highest, flat = {}, Fraction(0)
        for rows in hours.values():
            average = sum(row["kwh"] for row in rows) / (Fraction(len(rows) * STEP, 3600))
            flat = max(flat, average)
            for period in {row["demand"] for row in rows}:
                highest[period] = max(average, highest.get(period, average))
        return flat, highest


def cut(amount, limits, above=Fraction(0)):
    parts, begin, end = [], above, above + amount
    for limit in limits:
        until = end if limit is None else max(begin, min(end, limit))
        parts.append(until - begin)
        begin = until
    return parts


def prices(tiers):
    return [number(tier.get("rate", 0)) + number(tier.get("adj", 0)) for tier in tiers]


def limits(tiers, times, days):
    return [
        None if "max" not in tier else number(tier["max"]) * (days if tier.get("unit") == "kWh daily" else times) for tier in tiers
    ]


def shared(table, used, times, days):
    """Cut the total, and give each period its share of every tier."""
    total, cost = sum(used.values()), Fraction(0)
    for period, kwh in used.items():
        parts = cut(total, limits(table[period], times, days))
        cost += sum(part * price for part, price in zip(parts, prices(table[period]), strict=True)) * (kwh / total if total else 0)
    return cost


def by_period(rows):
    used = {}
    for row in rows:
        used[row["period"]] = used.get(row["period"], Fraction(0)) + row["kwh"]
    return used


def months_of(first, end):
    months = []
    while first < end:
        months.append((first, (first + dt.timedelta(31)).replace(day=1)))
        first = months[-1][1]
    return months


def stretch(table, walked, first, end, times):
    rows, days = walked.between(first, end), (end - first).days
    seasons = {}
    if walked.x.get("season_split"):
        for i in range(days):
            date = first + dt.timedelta(i)
            seasons.setdefault(walked.season(date), []).append(date)
    if len(seasons) < 2:
        return shared(table, by_period(rows), times, days)
    total, cost = sum(row["kwh"] for row in rows), Fraction(0)
    for dates in seasons.values():
        share = Fraction(len(dates), days)
        used = by_period([row for row in rows if row["date"] in dates])
        metered = sum(used.values())
        used = {period: total * share * kwh / metered for period, kwh in used.items()} if metered else {}
        cost += shared(table, used, times * share, len(dates))
    return cost


def energy(walked, first, end):
    x, total = walked.x, sum(row["kwh"] for row in walked.between(first, end))
    table = walked.record["energyratestructure"]
    for step in x.get("by_total", []):
        if step["max_kwh"] is None or total <= number(step["max_kwh"]):
            table = step["energyratestructure"]
            break
    reset = x.get("tier_reset", "month")
    if reset == "bill":
        times = len(months_of(first, end)) if x.get("thresholds_per", "month") == "month" else 1
        return stretch(table, walked, first, end, times)
    if reset == "month":
        return sum(stretch(table, walked, begin, until, 1) for begin, until in months_of(first, end))
    if reset == "day":
        days = (first + dt.timedelta(i) for i in range((end - first).days))
        return sum(shared(table, by_period(walked.between(day, day + dt.timedelta(1))), 1, 1) for day in days)
    cost, year, running = Fraction(0), None, Fraction(0)
    for row in walked.between(first.replace(month=1), end):
        if row["date"].year != year:
            year, running = row["date"].year, Fraction(0)
        length = (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days
        tiers = table[row["period"]]
        if row["date"] >= first:
            parts = cut(row["kwh"], limits(tiers, 1, length), above=running)
            cost += sum(part * price for part, price in zip(parts, prices(tiers), strict=True))
        running += row["kwh"]
    return cost


def demand(walked, first, end):
    record, x, cost = walked.record, walked.x, Fraction(0)
    for begin, until in months_of(first, end):
        flat, highest = walked.peaks(begin, until)
        if "flatdemandstructure" in record:
            tiers = record["flatdemandstructure"][record.get("flatdemandmonths", [0] * 12)[begin.month - 1]]
            billed = max(flat, *(number(record.get("lookbackpercent", 0)) * peak for peak in before(walked, begin)), Fraction(0))
            if "contract_kw" in x:
                billed = number(x["contract_kw"])
            cost += sum(part * price for part, price in zip(cut(billed, limits(tiers, 1, 1)), prices(tiers), strict=True))
        for period, kw in highest.items() if "demandratestructure" in record else ():
            tiers = record["demandratestructure"][period]
            cost += sum(part * price for part, price in zip(cut(kw, limits(tiers, 1, 1)), prices(tiers), strict=True))
    return cost


def before(walked, month):
    for _ in range(walked.record.get("lookbackrange", 0)):
        end, month = month, (month - dt.timedelta(1)).replace(day=1)
        yield walked.peaks(month, end)[0]


def over(amount, units, first, end):
    months = len(months_of(first, end))
    return number(amount) * {"$/month": Fraction(months), "$/day": (end - first).days, "$/year": Fraction(months, 12)}[units]


def total(walked, first, end):
    record, x = walked.record, walked.x
    kwh = sum(row["kwh"] for row in walked.between(first, end))
    parts = {"energy": energy(walked, first, end), "demand": demand(walked, first, end)}
    parts["fixed"] = over(record.get("fixedchargefirstmeter", 0), record.get("fixedchargeunits", "$/month"), first, end)
    for step in x.get("fixed_by_kwh", []):
        if step["max_kwh"] is None or kwh <= number(step["max_kwh"]):
            parts["fixed"] += number(step["charge"])
            break
    least = over(record.get("mincharge", 0), record.get("minchargeunits", "$/month"), first, end)
    parts["minimum"] = max(Fraction(0), least - sum(parts.values())) if "mincharge" in record else Fraction(0)
    bill = sum(parts.values())
    for tax in [] if x.get("prices_include_tax") else x.get("taxes", []):
        parts[tax["name"]] = number(tax["rate"]) * sum(parts[part] for part in tax["on"])
        bill += parts[tax["name"]]
    return bill


def bills(inputs):
    """The whole bill and the bill without the job, as fractions."""
    periods = [tuple(map(dt.date.fromisoformat, period)) for period in inputs["bill_periods"]]
    # Enough before the first bill for a year's running total and for a ratchet.
    first = periods[0][0].replace(year=periods[0][0].year - 1, month=1)
    if inputs["tariff"]["x"].get("tier_reset") != "year" and not inputs["tariff"].get("lookbackrange"):
        first = periods[0][0]
    sums = []
    for load in (inputs["load"], None):
        walked = Walked(inputs["tariff"], inputs["time_zone"], inputs["baseline"], load, first=first, end=periods[-1][1])
        sums.append(sum(total(walked, begin, end) for begin, end in periods))
    return tuple(sums)
