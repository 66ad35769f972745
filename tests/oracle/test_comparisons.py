"""Comparisons of two sides in every way there is, against scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest

from agreement import agree
from comparing import benchmark, between, holm, two_sides
from expected import in_range
from service import App, UseCase, utc

LOWER = {"direction": "lower_is_better"}
ALPHAS = [0.05, 0.01]
FROM, TO = "2026-02-01", "2026-11-01"
RISE = utc("2026-06-15 09:30")

# The score of an instance: from the random numbers, its version (1 or 2), its model, and whether it is of 2026.
KPIS = [
    ({"name": "Solved", "kpi_type": "boolean", "goal": 0.5, "benchmarks": [{"name": "industry", "value": 0.45}, {"name": "none", "value": 0}]},
     lambda r, v, m: int(r.random() < 0.5 - 0.12 * (v == 2) + 0.05 * (m == "b"))),
    ({"name": "Escalated", "kpi_type": "boolean", "goal": 0.1, **LOWER, "benchmarks": [{"name": "last year", "value": 0.2}]},
     lambda r, v, m: int(r.random() < 0.12 + 0.03 * (v == 2))),
    ({"name": "Never", "kpi_type": "boolean", "goal": 0.1, "benchmarks": [{"name": "rare", "value": 0.01}]}, lambda r, v, m: 0),
    ({"name": "Worth", "kpi_type": "number", "goal": 10, "benchmarks": [{"name": "rival", "value": 12.5}]},
     lambda r, v, m: float(r.lognormal(2.3 + 0.1 * (v == 2), 0.6 + 0.2 * (m == "b")))),
    ({"name": "Latency", "kpi_type": "number", "goal": 1, **LOWER}, lambda r, v, m: float(r.gamma(2, 0.5 + 0.1 * (v == 2)))),
    ({"name": "Billion", "kpi_type": "number", "goal": 1e9, "benchmarks": [{"name": "a billion", "value": 1e9}]},
     lambda r, v, m: float(1e9 + round(r.normal(0.3 * (v == 2), 1), 3))),
    ({"name": "Profit", "kpi_type": "number", "goal": 0}, lambda r, v, m: float(r.normal(-4 + (v == 2), 9))),
    ({"name": "Share", "kpi_type": "percentage", "goal": 0.4, "benchmarks": [{"name": "half", "value": 0.5}]},
     lambda r, v, m: float(r.beta(2, 3))),
    ({"name": "Stars", "kpi_type": "likert5", "goal": 4, "benchmarks": [{"name": "good", "value": 3}, {"name": "best", "value": 5}]},
     lambda r, v, m: int(r.integers(1, 6))),
    ({"name": "Constant", "kpi_type": "likert7", "goal": 4, "benchmarks": [{"name": "middle", "value": 4}]}, lambda r, v, m: 4),
    ({"name": "Step", "kpi_type": "number", "goal": 4}, lambda r, v, m: 4.25 + (v == 2)),
    ({"name": "Half constant", "kpi_type": "number", "goal": 4}, lambda r, v, m: 0.1 if v == 1 else float(r.normal(0.3, 1))),
    ({"name": "Rare", "kpi_type": "number", "goal": 4}, None),
    ({"name": "Unscored", "kpi_type": "boolean", "goal": 0.5}, None),
]


def fill(use_case, random, n, begin, end, version, models=("a", "b", None)):
    moments = [begin + pd.Timedelta(minutes=int(m)) for m in random.integers(0, (end - begin) / pd.Timedelta(minutes=1) - 60, n)]
    models = [models[at % len(models)] for at in range(n)]
    ids = use_case.create(moments, version, [{} if model is None else {"model": model, "region": ["eu", "us"][at % 2]} for at, model in enumerate(models)])
    rows = []
    for id, at, model in zip(ids, moments, models):
        for kpi, draw in KPIS:
            if draw and kpi["name"] in use_case.kpis and random.random() < 0.8:
                rows.append((id, kpi["name"], draw(random, version, model), at + pd.Timedelta(minutes=int(random.integers(0, 45)))))
    if version == 1 and "Rare" in use_case.kpis:
        rows += [(id, "Rare", float(score), at) for score, id, at in zip(range(3), ids, moments)]
    elif "Rare" in use_case.kpis:
        rows.append((ids[0], "Rare", 7.0, moments[0]))
    use_case.record(pd.DataFrame(rows, columns=["id", "kpi", "score", "at"]), version)


@pytest.fixture(scope="module")
def use_case():
    app = App.new()
    use_case = UseCase(app, "Compared", [kpi for kpi, _ in KPIS])
    random = np.random.default_rng(17)
    use_case.next_version(RISE)
    fill(use_case, random, 130, utc("2025-03-01"), utc("2025-10-01"), 1)
    fill(use_case, random, 170, utc(FROM), RISE, 1)
    fill(use_case, random, 150, RISE, utc(TO), 2)
    return use_case


def check(shown, use_case, sides, alpha, kpis=None):
    """`sides(kpi name)` gives the scores of the baseline and of the candidate."""
    compared = [(kpi, two_sides(kpi, *sides(name), alpha)) for name, kpi in use_case.kpis.items() if not kpis or name in kpis]
    check_all(shown, compared, alpha)


def check_all(shown, compared, alpha):
    if len(compared) > 1:
        holm(compared, alpha)
    assert shown["alpha"] == alpha
    assert [one["kpi_name"] for one in shown["comparisons"]] == [kpi["name"] for kpi, _ in compared]
    for one, (kpi, expected) in zip(shown["comparisons"], compared):
        identity = {field: kpi[field] for field in ("kpi_id", "kpi_type", "goal", "direction")}
        agree(one, {**identity, **expected}, kpi["name"], f"comparison (alpha {alpha})")
        assert (one["verdict"] == "insufficient_data") == bool(one.get("reason")), kpi["name"]


def ranges(use_case, *spans):
    return lambda name: [between(use_case.of(name), begin, end)["score"].to_numpy() for begin, end in spans]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_versions(use_case, alpha):
    version = lambda rows, version: rows[rows["version"] == version]["score"].to_numpy()
    everything = use_case.read("compare", by="version", baseline=1, candidate=2, alpha=alpha)
    check(everything, use_case, lambda name: [version(use_case.of(name), v) for v in (1, 2)], alpha)
    if alpha == 0.05:
        verdicts = {one["verdict"] for one in everything["comparisons"]}
        assert verdicts == {"improved", "worsened", "no_significant_change", "insufficient_data"}, "the data has to show all verdicts"
    in_2026 = lambda name: between(use_case.of(name), utc(FROM), utc(TO))
    shown = use_case.read("compare", by="version", baseline=2, candidate=1, from_=FROM, to=TO, alpha=alpha)
    check(shown, use_case, lambda name: [version(in_2026(name), v) for v in (2, 1)], alpha)
    for name in use_case.kpis:
        shown = use_case.read("compare", by="version", baseline=1, candidate=2, kpi=name, alpha=alpha)
        check(shown, use_case, lambda name: [version(use_case.of(name), v) for v in (1, 2)], alpha, [name])


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
def test_periods(use_case, alpha, zone):
    at = lambda day: pd.Timestamp(day, tz=zone).tz_convert("UTC")
    begin, end = at("2026-06-20"), at("2026-10-10")
    params = {"by": "period", "from_": "2026-06-20", "to": "2026-10-10", "time_zone": zone, "alpha": alpha}
    shown = use_case.read("compare", baseline_from="2026-02-10", baseline_to="2026-04-05", **params)
    check(shown, use_case, ranges(use_case, (at("2026-02-10"), at("2026-04-05")), (begin, end)), alpha)
    # As long as the period itself, and just before it.
    for previous in ({}, {"baseline": "previous"}):
        check(use_case.read("compare", **previous, **params), use_case, ranges(use_case, (begin - (end - begin), begin), (begin, end)), alpha)
    shown = use_case.read("compare", baseline="previous_year", **params)
    check(shown, use_case, ranges(use_case, (at("2025-06-20"), at("2025-10-10")), (begin, end)), alpha)
    assert shown["baseline"] == {"from": at("2025-06-20").strftime("%Y-%m-%dT%H:%M:%S.000Z"), "to": at("2025-10-10").strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    assert shown["comparisons"][0]["baseline"]["count"] > 20


@pytest.mark.parametrize("window,length", [(None, "7D"), ("36h", "36h"), ("30d", "30D"), ("6w", "42D")])
def test_a_moment(use_case, window, length):
    length = pd.Timedelta(length)
    shown = use_case.read("compare", by="moment", at=RISE.isoformat(), window=window)
    check(shown, use_case, ranges(use_case, (RISE - length, RISE), (RISE, RISE + length)), 0.05)


def test_no_score_is_on_both_sides_of_a_moment(use_case):
    """Sides begin and end at quarters of an hour, as every range does; where one ends the other begins."""
    scores = use_case.of("Worth")
    for at in scores["at"].iloc[:40]:
        shown = use_case.read("compare", by="moment", at=(at + pd.Timedelta(minutes=1)).isoformat(), window="1000d", kpi="Worth")
        [one] = shown["comparisons"]
        total = one["baseline"]["count"] + one["candidate"]["count"]
        assert total == len(scores), f"both sides of {at + pd.Timedelta(minutes=1)} of Worth: {total} are shown, {len(scores)} is right"
        assert shown["baseline"]["to"] == shown["candidate"]["from"] and shown["baseline"]["to"][14:16] in ("00", "15", "30", "45"), shown


def test_no_score_is_in_a_period_and_in_the_one_before(use_case):
    scores, end = use_case.of("Worth"), utc(TO)
    for at in scores[scores["at"] > RISE]["at"].iloc[:40]:
        begin = at + pd.Timedelta(minutes=1)
        shown = use_case.read("compare", by="period", baseline="previous", from_=begin.isoformat(), to=TO, kpi="Worth")
        [one] = shown["comparisons"]
        begin = begin.floor("15min")
        expected = len(between(scores, begin - (end - begin), end))
        total = one["baseline"]["count"] + one["candidate"]["count"]
        assert total == expected, f"both sides of {at} of Worth: {total} are shown, {expected} is right"
        assert shown["baseline"]["to"] == shown["candidate"]["from"], shown


@pytest.mark.parametrize("alpha", ALPHAS)
def test_values_of_a_property(use_case, alpha):
    def sides(name, key, values, only=lambda rows: rows):
        rows = only(between(use_case.of(name), utc(FROM), utc(TO)))
        own = np.array(use_case.property(key, rows["id"]), dtype=object)
        return [rows["score"].to_numpy()[own == value] for value in values]

    shown = use_case.read("compare", by="property", key="model", baseline="a", candidate="b", from_=FROM, to=TO, alpha=alpha)
    check(shown, use_case, lambda name: sides(name, "model", "ab"), alpha)
    shown = use_case.read("compare", by="property", key="region", baseline="eu", candidate="us", version=2, from_=FROM, to=TO, alpha=alpha)
    check(shown, use_case, lambda name: sides(name, "region", ("eu", "us"), lambda rows: rows[rows["version"] == 2]), alpha)
    shown = use_case.read("compare", by="property", key="model", baseline="a", candidate="unheard", from_=FROM, to=TO, alpha=alpha)
    check(shown, use_case, lambda name: sides(name, "model", ("a", "unheard")), alpha)
    in_eu = lambda rows: rows[np.array([own == "eu" for own in use_case.property("region", rows["id"])], dtype=bool)]
    shown = use_case.read("compare", by="property", key="model", baseline="a", candidate="b", from_=FROM, to=TO, alpha=alpha, properties={"region": "eu"})
    check(shown, use_case, lambda name: sides(name, "model", "ab", in_eu), alpha)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_use_cases(use_case, alpha):
    name = f"Other-{alpha}"
    # Of the same name, but of another type: not compared.
    stars = {"name": "Stars", "kpi_type": "likert7", "goal": 4}
    other = UseCase(use_case.app, name, [KPIS[3][0], KPIS[0][0], stars, KPIS[4][0]])
    fill(other, np.random.default_rng(19), 90, utc("2026-07-01"), utc("2026-09-01"), 1)
    shown = use_case.read("compare", by="use_case", candidate=name, from_="2026-06-15", to="2026-08-20", alpha=alpha)
    begin, end = utc("2026-06-15"), utc("2026-08-20")
    of = lambda which, name: between(which.of(name), begin, end)["score"].to_numpy()
    check(shown, use_case, lambda name: [of(use_case, name), of(other, name)], alpha, ["Solved", "Worth", "Latency"])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_benchmarks(use_case, alpha):
    scores = lambda name: between(use_case.of(name), utc(FROM), utc(TO))["score"].to_numpy()
    stored = [(kpi, own) for kpi in use_case.kpis.values() for own in kpi["benchmarks"]]
    shown = use_case.read("compare", by="benchmark", from_=FROM, to=TO, alpha=alpha)
    assert [one["benchmark_name"] for one in shown["comparisons"]] == [own["name"] for _, own in stored]
    check_all(shown, [(kpi, benchmark(kpi, own["value"], scores(kpi["name"]), alpha)) for kpi, own in stored], alpha)
    for name, values in {"Solved": [0, 0.3, 0.44, 1], "Worth": [9.5, 11], "Billion": [1e9 + 0.25], "Latency": [1], "Constant": [4, 5], "Rare": [1], "Unscored": [0.5]}.items():
        for value in values:
            shown = use_case.read("compare", by="benchmark", value=value, kpi=name, from_=FROM, to=TO, alpha=alpha)
            check_all(shown, [(use_case.kpis[name], benchmark(use_case.kpis[name], value, scores(name), alpha))], alpha)


def test_benchmarks_on_the_dashboard(use_case):
    shown = use_case.dashboard(from_=FROM, to=TO, granularity="month")
    for panel in shown["kpis"]:
        kpi = use_case.kpis[panel["kpi_name"]]
        scores = in_range(use_case.of(kpi["name"]), "at", utc(FROM), utc(TO))["score"].to_numpy()
        expected = [{**own, "comparison": benchmark(kpi, own["value"], scores)} for own in kpi["benchmarks"]]
        agree(panel["benchmarks"], expected, kpi["name"], "benchmarks")
