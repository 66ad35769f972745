"""Trends against pymannkendall, profiles by hour and weekday against scipy, and the overview's view of the same."""

import numpy as np
import pandas as pd
import pytest

from agreement import agree, agree_columns
from expected import in_range, mean, seasonality, series, starts, trend, variance
from service import App, UseCase, utc

FROM, TO = utc("2026-03-10"), utc("2026-05-09")
DAYS = 60
LOWER = {"direction": "lower_is_better"}
NUMBER = {"kpi_type": "number", "goal": 10}


def noisy(slope, start=10.0, noise=1.0):
    return lambda r: start + slope * np.arange(DAYS) + r.normal(0, noise, DAYS)


def with_gaps(values, random, share=0.4):
    values = np.array(values, dtype=float)
    values[random.random(len(values)) < share] = np.nan
    return values


def first(values, n):
    values = np.array(values, dtype=float)
    values[n:] = np.nan
    return values


# Each with the score of each day (NaN: none), and the verdict that it was made for.
SERIES = [
    ({"name": "Rising", **NUMBER}, noisy(0.1), "improving"),
    ({"name": "Falling", **NUMBER}, noisy(-0.1), "degrading"),
    ({"name": "Rising latency", **NUMBER, **LOWER}, noisy(0.1), "degrading"),
    ({"name": "Falling latency", **NUMBER, **LOWER}, noisy(-0.1), "improving"),
    ({"name": "Flat", **NUMBER}, lambda r: np.full(DAYS, 0.1), "stable"),
    ({"name": "Noise", **NUMBER}, noisy(0), "stable"),
    ({"name": "Ties", **NUMBER}, lambda r: np.round(3 + 0.03 * np.arange(DAYS) + r.normal(0, 0.7, DAYS)), "improving"),
    ({"name": "Gaps", **NUMBER}, lambda r: with_gaps(noisy(-0.2)(r), r), "degrading"),
    ({"name": "Gaps and ties", **NUMBER}, lambda r: with_gaps(np.round(noisy(0.05)(r)), r, 0.6), None),
    ({"name": "Long gap", **NUMBER}, lambda r: np.where(abs(np.arange(DAYS) - 30) < 25, np.nan, noisy(0.2)(r)), None),
    ({"name": "Seven", **NUMBER}, lambda r: first(noisy(5)(r), 7), "insufficient_data"),
    ({"name": "Eight", **NUMBER}, lambda r: first(noisy(5)(r), 8), "improving"),
    ({"name": "Empty", **NUMBER}, lambda r: first(noisy(5)(r), 0), "insufficient_data"),
    ({"name": "Billion", **NUMBER}, noisy(0.05, 1e9), "improving"),
    ({"name": "Around zero", **NUMBER}, noisy(0.02, -0.6), None),
    ({"name": "Outliers", **NUMBER}, lambda r: np.where(np.arange(DAYS) % 17 == 3, 1e12, noisy(0.1)(r)), None),
    ({"name": "Boolean", "kpi_type": "boolean", "goal": 0.5}, lambda r: r.binomial(1, np.linspace(0.1, 0.8, DAYS)), "improving"),
    ({"name": "Stars", "kpi_type": "likert5", "goal": 3}, lambda r: r.integers(1, 6, DAYS), None),
]


@pytest.fixture(scope="module")
def trending():
    use_case = UseCase(App.new(), "Trends", [kpi for kpi, _, _ in SERIES])
    random = np.random.default_rng(7)
    rows = []
    for kpi, draw, _ in SERIES:
        for day, score in enumerate(draw(random)):
            if not np.isnan(score):
                rows.append((f"day-{day}", kpi["name"], float(score), FROM + pd.Timedelta(days=day, hours=11, minutes=day)))
    use_case.record(pd.DataFrame(rows, columns=["id", "kpi", "score", "at"]))
    return use_case


@pytest.mark.parametrize("granularity,zone", [("day", "UTC"), ("day", "Australia/Lord_Howe"), ("week", "Europe/Berlin"), ("hour", "Asia/Kathmandu")])
def test_trends_are_those_of_mann_kendall_and_theil_sen(trending, granularity, zone):
    shown = trending.dashboard(from_=FROM.isoformat(), to=TO.isoformat(), granularity=granularity, time_zone=zone)
    for panel, (kpi, _, made_for) in zip(shown["kpis"], SERIES):
        name = kpi["name"]
        columns = series(trending.kpis[name], trending.of(name), FROM, TO, granularity, zone)
        expected = trend(trending.kpis[name], columns["average"])
        if granularity == "day" and made_for:
            assert expected["verdict"] == made_for, name
        agree(panel["trend"], expected, name, "trend")


def test_several_scores_a_bucket_that_tie_on_average(app):
    use_case = UseCase(app, "Averages", [{"name": "Thirds", "kpi_type": "number", "goal": 1}, {"name": "Solved", "kpi_type": "boolean", "goal": 0.5}])
    random = np.random.default_rng(11)
    rows = []
    for day in range(DAYS):
        for place in range(int(random.integers(1, 7))):
            at = FROM + pd.Timedelta(days=day, hours=place)
            rows.append((f"{day}-{place}", "Thirds", float(random.choice([0.1, 0.2, 0.3])), at))
            rows.append((f"{day}-{place}", "Solved", int(random.random() < 0.3 + day / 200), at))
    use_case.record(pd.DataFrame(rows, columns=["id", "kpi", "score", "at"]))
    shown = use_case.dashboard(from_=FROM.isoformat(), to=TO.isoformat())
    for panel, (name, kpi) in zip(shown["kpis"], use_case.kpis.items()):
        columns = series(kpi, use_case.of(name), FROM, TO, "day", "UTC")
        assert len(set(columns["average"])) < 40, f"{name} was meant to have ties"
        agree(panel["trend"], trend(kpi, columns["average"]), name, "trend")


SEASONS = [
    {"name": "Office hours", "kpi_type": "boolean", "goal": 0.5},
    {"name": "Weekend", "kpi_type": "number", "goal": 100},
    {"name": "Neither", "kpi_type": "likert7", "goal": 4},
    {"name": "Billion", "kpi_type": "number", "goal": 1e9},
    {"name": "Constant", "kpi_type": "percentage", "goal": 0.5},
    {"name": "One a day", "kpi_type": "number", "goal": 1},
]
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]


@pytest.fixture(scope="module")
def seasons():
    use_case = UseCase(App.new(), "Seasons", SEASONS)
    random = np.random.default_rng(13)
    begin, end = utc("2026-02-20"), utc("2026-11-10")
    rows = []
    for place in range(900):
        at = begin + pd.Timedelta(minutes=int(random.integers(0, (end - begin) / pd.Timedelta(minutes=1))))
        local = at.tz_convert("Europe/Berlin")
        weekend = local.day_of_week >= 5
        scores = {
            "Office hours": int(random.random() < (0.8 if 8 <= local.hour < 18 else 0.3)),
            "Weekend": float(random.normal(100 if weekend else 130, 15)),
            "Neither": int(random.integers(1, 8)),
            "Billion": float(1e9 + round(random.normal(0.8 if weekend else 0, 1), 3)),
            "Constant": 0.1,
        }
        rows += [(f"s-{place}", name, score, at) for name, score in scores.items() if random.random() < 0.9]
    rows += [(f"one-{day}", "One a day", float(day), begin + pd.Timedelta(days=day)) for day in range(7)]
    use_case.record(pd.DataFrame(rows, columns=["id", "kpi", "score", "at"]))
    return use_case


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("begin,end", [("2026-01-01", "2026-11-20"), ("2026-10-01", "2026-10-26")])
def test_profiles_and_their_variance(seasons, zone, begin, end):
    begin, end = utc(begin), utc(end)
    shown = seasons.dashboard(from_=begin.isoformat(), to=end.isoformat(), granularity="month", time_zone=zone)
    for panel in shown["kpis"]:
        name = panel["kpi_name"]
        expected = seasonality(in_range(seasons.of(name), "at", begin, end), zone)
        for what in ("hour_of_day", "day_of_week"):
            rows = expected[what].pop("profile")
            agree(panel["seasonality"][what], expected[what], name, f"seasonality.{what} in {zone}")
            columns = {column: [row[column] for row in rows] for column in rows[0]}
            agree_columns(panel["seasonality"][what]["profile"], columns, name, f"seasonality.{what}.profile in {zone}")


def test_planted_seasons_are_found_and_nothing_else(seasons):
    shown = seasons.dashboard(from_="2026-01-01", to="2026-11-20", granularity="month", time_zone="Europe/Berlin")
    found = [(kpi["kpi_name"], what) for kpi in shown["kpis"] for what, season in kpi["seasonality"].items() if season["seasonal"]]
    assert found == [("Office hours", "hour_of_day"), ("Weekend", "day_of_week"), ("Billion", "day_of_week")]


def test_groups_without_spread():
    """What scipy says to constant groups is no figure: the definitions say 1 and 0."""
    use_case = UseCase(App.new(), "Steps", [{"name": "Step", "kpi_type": "number", "goal": 1}])
    rows = [(f"s-{place}", "Step", float(place % 2), utc("2026-06-01") + pd.Timedelta(hours=place % 2, days=place // 2)) for place in range(40)]
    use_case.record(pd.DataFrame(rows, columns=["id", "kpi", "score", "at"]))
    shown = use_case.dashboard(from_="2026-06-01", to="2026-07-01")["kpis"][0]["seasonality"]
    agree(shown["hour_of_day"], {"seasonal": True, "eta_squared": 1.0, "p_value": 0.0}, "Step", "hour_of_day")
    assert variance([np.array([0.1] * 5), np.array([0.1] * 3)])["p_value"] is None


@pytest.mark.parametrize("granularity,zone", [("day", "Europe/Berlin"), ("week", "UTC"), ("hour", "Australia/Lord_Howe")])
def test_the_overview_shows_the_dashboard_s_trend_and_a_sparkline_of_its_series(trending, granularity, zone):
    params = {"from_": FROM.isoformat(), "to": TO.isoformat(), "granularity": granularity, "time_zone": zone}
    overview = trending.app.get("/api/v1/dashboard", **params)["items"]
    assert [item["use_case_name"] for item in overview] == ["Trends"]
    shown = trending.dashboard(**params)
    buckets = starts(FROM, TO, granularity, zone)
    size = -(-len(buckets) // 30)
    for panel, whole in zip(overview[0]["kpis"], shown["kpis"]):
        name, kpi = panel["kpi_name"], trending.kpis[panel["kpi_name"]]
        for field in ("kpi_id", "trend", "count", "average", "goal_met", "percent_of_goal", "reviewed", "standard_deviation", "percentiles"):
            assert panel[field] == whole[field], f"{field} of {name}"
        agree(panel["trend"], trend(kpi, series(kpi, trending.of(name), FROM, TO, granularity, zone)["average"]), name, "trend")
        scores = trending.of(name)
        merged = buckets[::size]
        groups = merged.searchsorted(pd.DatetimeIndex(scores["at"]), side="right") - 1
        columns = {
            "start": [start.strftime("%Y-%m-%dT%H:%M:%S.000Z") for start in merged],
            "count": [int((groups == place).sum()) for place in range(len(merged))],
            "average": [mean(scores["score"].to_numpy()[groups == place]) for place in range(len(merged))],
        }
        assert len(panel["sparkline"]) <= 30, f"the sparkline of {name} has {len(panel['sparkline'])} points"
        agree_columns(panel["sparkline"], columns, name, "sparkline")
