"""The figures, distributions and series of every KPI type, over months in which clocks change."""

import json

import numpy as np
import pandas as pd
import pytest

from agreement import agree, agree_columns
from expected import check_percentiles, figures, in_range, seasonality, series, trend
from service import App, UseCase, utc

ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]
# Clocks change on 29 March and 25 October in Berlin, on 5 April and 4 October on Lord Howe (by half an hour).
CLOCK_CHANGES = [utc(day) for day in ("2026-03-29", "2026-04-04 12:00", "2026-10-03 12:00", "2026-10-25")]
FROM, TO = utc("2026-02-01"), utc("2026-11-16")
LOWER = {"direction": "lower_is_better"}


def likert(random, n, points, steps):
    """Whole, half or any scores."""
    scores = random.uniform(1, points, n)
    return np.round(scores * steps) / steps if steps else scores


# Each with how `n` scores are drawn.
KPIS = [
    ({"name": "Solved", "kpi_type": "boolean", "goal": 0.3}, lambda r, n: r.binomial(1, 0.31, n)),
    ({"name": "Refunded", "kpi_type": "boolean", "goal": 0.05, **LOWER}, lambda r, n: r.binomial(1, 0.08, n)),
    ({"name": "Conversion $ Value", "kpi_type": "number", "goal": 10, "unit": "$"}, lambda r, n: np.round(r.lognormal(2.3, 0.7, n), 2)),
    ({"name": "Billion", "kpi_type": "number", "goal": 1e9, "bucket_width": 0.1}, lambda r, n: np.round(1e9 + r.normal(0, 1, n), 2)),
    ({"name": "Ties", "kpi_type": "number", "goal": 3}, lambda r, n: r.choice([0.1, 0.3, 0.7, 2, 2, 2, 5], n)),
    ({"name": "Profit", "kpi_type": "number", "goal": -5, "bucket_width": 0.5}, lambda r, n: np.round(r.normal(-6, 20, n), 1)),
    ({"name": "Outlier", "kpi_type": "number", "goal": 7}, lambda r, n: np.append(r.normal(7, 2, n - 1), 1e12)),
    ({"name": "Latency", "kpi_type": "number", "goal": 0.8, "unit": "s", **LOWER}, lambda r, n: r.gamma(2, 0.35, n)),
    ({"name": "Share", "kpi_type": "percentage", "goal": 0.3}, lambda r, n: np.round(r.beta(1, 2, n), 2)),
    ({"name": "Any share", "kpi_type": "percentage", "goal": 0.6, **LOWER}, lambda r, n: np.append(r.beta(2, 1, n - 2), [0, 1])),
    ({"name": "Stars", "kpi_type": "likert5", "goal": 3.5}, lambda r, n: likert(r, n, 5, 2)),
    ({"name": "Seven", "kpi_type": "likert7", "goal": 4}, lambda r, n: likert(r, n, 7, 1)),
    ({"name": "Effort", "kpi_type": "likert10", "goal": 5, **LOWER}, lambda r, n: likert(r, n, 10, None)),
]
INSTANCES = 900


@pytest.fixture(scope="module")
def use_case():
    use_case = UseCase(App.new(), "Figures", [kpi for kpi, _ in KPIS])
    random = np.random.default_rng(20261125)
    minutes = int((TO - FROM) / pd.Timedelta(minutes=1))
    begins = [FROM + pd.Timedelta(minutes=int(minute)) for minute in random.integers(0, minutes, INSTANCES)]
    # Every third around a change of the clocks.
    for at in range(0, INSTANCES, 3):
        begins[at] = CLOCK_CHANGES[at % 4] + pd.Timedelta(minutes=int(random.integers(-600, 1500)))
    ids = [f"instance-{at:04d}" for at in random.permutation(INSTANCES)]
    parts = []
    for kpi, draw in KPIS:
        scored = np.flatnonzero(random.random(INSTANCES) < 0.7)
        at = [begins[place] + pd.Timedelta(minutes=int(random.integers(0, 90))) for place in scored]
        parts.append(pd.DataFrame({"id": [ids[place] for place in scored], "kpi": kpi["name"], "score": draw(random, len(scored)), "at": at}))
    use_case.create([FROM + pd.Timedelta(hours=int(hour)) for hour in random.integers(0, minutes // 60, 60)])
    use_case.record(pd.concat(parts))
    return use_case


def check_dashboard(use_case, begin, end, granularity, zone):
    shown = use_case.dashboard(from_=begin.isoformat(), to=end.isoformat(), granularity=granularity, time_zone=zone)
    created = in_range(use_case.instances, "created", begin, end)
    scored = use_case.scores["id"].unique()
    reviewed = int(created.index.isin(scored).sum())
    percentage = 100 * reviewed / len(created)
    agree(shown["use_cases"], {"total": len(created), "reviewed": reviewed, "reviewed_percentage": percentage}, "all KPIs", "use_cases")
    assert [panel["kpi_name"] for panel in shown["kpis"]] == list(use_case.kpis)
    for panel, kpi in zip(shown["kpis"], use_case.kpis.values()):
        everything = use_case.of(kpi["name"])
        rows = in_range(everything, "at", begin, end)
        own = int(created.index.isin(everything["id"]).sum())
        agree(panel, figures(kpi, rows["score"].to_numpy(), own, len(created)), kpi["name"])
        check_percentiles(kpi, panel, rows["score"].to_numpy())
        buckets = panel["distribution"].get("buckets") or [{"count": panel["distribution"]["true"]}, {"count": panel["distribution"]["false"]}]
        assert sum(bucket["count"] for bucket in buckets) == len(rows), f"the distribution of {kpi['name']} does not add up"
        columns = series(kpi, rows, begin, end, granularity, zone)
        agree_columns(panel["series"], columns, kpi["name"], "series")
        agree(panel["trend"], trend(kpi, columns["average"]), kpi["name"], "trend")
        agree(panel["seasonality"], seasonality(rows, zone), kpi["name"], "seasonality")


@pytest.mark.parametrize("granularity", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", ZONES)
def test_figures_of_months_with_changes_of_clocks(use_case, zone, granularity):
    begin, end = (utc("2026-03-20"), utc("2026-04-12")) if granularity == "hour" else (FROM, TO)
    check_dashboard(use_case, begin, end, granularity, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_the_hours_of_autumn(use_case, zone):
    check_dashboard(use_case, utc("2026-10-01 05:00"), utc("2026-10-28"), "hour", zone)


def test_a_range_is_widened_to_quarters_of_an_hour(use_case):
    check_dashboard(use_case, utc("2026-03-29 00:37:11"), utc("2026-10-25 01:08:00.001"), "day", "Europe/Berlin")


def test_a_date_is_midnight_in_the_zone(use_case):
    for zone in ZONES:
        shown = use_case.dashboard(from_="2026-03-29", to="2026-10-25", time_zone=zone, kpi="Solved")
        begin, end = (pd.Timestamp(day, tz=zone).tz_convert("UTC") for day in ("2026-03-29", "2026-10-25"))
        assert (utc_of(shown["range"]["from"]), utc_of(shown["range"]["to"])) == (begin, end), zone
        rows = in_range(use_case.of("Solved"), "at", begin, end)
        columns = series(use_case.kpis["Solved"], rows, begin, end, "day", zone)
        agree_columns(shown["kpis"][0]["series"], columns, "Solved", f"series in {zone}")


def utc_of(text):
    return pd.Timestamp(text).tz_convert("UTC")


def test_a_corrected_outlier_leaves_no_trace():
    use_case = UseCase(App.new(), "Corrected", [{"name": "Worth", "kpi_type": "number", "goal": 7}])
    random = np.random.default_rng(3)
    scores = pd.DataFrame({"id": [f"c-{at}" for at in range(200)], "kpi": "Worth", "score": random.normal(7, 0.5, 200), "at": utc("2026-05-05 10:00")})
    wrong = scores.head(3).assign(score=[1e15, -1e12, 1e9 / 7])
    use_case.record(scores.iloc[3:])
    use_case.record(wrong)
    check_dashboard(use_case, FROM, TO, "month", "UTC")
    use_case.record(scores.head(3))
    check_dashboard(use_case, FROM, TO, "month", "UTC")
    assert len(use_case.scores) == 200, json.dumps(use_case.scores.tail(3).to_dict("list"), default=str)
