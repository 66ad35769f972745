"""Data that nobody here made: R. C. Fair, "A theory of extramarital affairs" (1978), as statsmodels ships it. Of its 6366 women a
part; when each of them answered is not in the data and comes from a fixed seed."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.datasets import fair

from agreement import agree, agree_columns
from comparing import breakdown, holm, two_sides
from expected import check_percentiles, figures, seasonality, series, trend
from service import App, UseCase, utc

SIZE = 1200
FROM, TO = utc("2026-01-12"), utc("2026-05-04")
LOWER = {"direction": "lower_is_better"}
KPIS = {
    "Marriage rating": {"kpi_type": "likert5", "goal": 4},
    "Religiousness": {"kpi_type": "likert5", "goal": 2.5},
    "Affairs": {"kpi_type": "number", "goal": 0.5, **LOWER},
    "Has an affair": {"kpi_type": "boolean", "goal": 0.3, **LOWER},
    "Years married": {"kpi_type": "number", "goal": 10, "unit": "years"},
}


@pytest.fixture(scope="module")
def use_case():
    data = fair.load_pandas().data
    assert len(data) == 6366
    data = data.sample(SIZE, random_state=1978).reset_index(drop=True)
    scores = {
        "Marriage rating": data["rate_marriage"],
        "Religiousness": data["religious"],
        "Affairs": data["affairs"],
        "Has an affair": (data["affairs"] > 0).astype(float),
        "Years married": data["yrs_married"],
    }
    use_case = UseCase(App.new(), "Fair-1978", [{"name": name, **kpi} for name, kpi in KPIS.items()])
    random = np.random.default_rng(1978)
    created = [FROM + pd.Timedelta(seconds=int(s)) for s in random.integers(0, (TO - FROM) / pd.Timedelta(seconds=1) - 1, SIZE)]
    properties = [
        {"children": "yes" if row.children > 0 else "no", "occupation": f"{row.occupation:g}", "age": f"{row.age:g}", "educ": f"{row.educ:g}"}
        for row in data.itertuples()
    ]
    ids = use_case.create(created, 1, properties)
    use_case.record(pd.concat([pd.DataFrame({"id": ids, "kpi": name, "score": own, "at": created}) for name, own in scores.items()]))
    return use_case


RANGE = {"from_": FROM.isoformat(), "to": TO.isoformat()}


@pytest.mark.parametrize("granularity,zone", [("week", "UTC"), ("day", "America/New_York")])
def test_figures(use_case, granularity, zone):
    shown = use_case.dashboard(**RANGE, granularity=granularity, time_zone=zone)
    for panel in shown["kpis"]:
        name, kpi = panel["kpi_name"], use_case.kpis[panel["kpi_name"]]
        rows = use_case.of(name)
        agree(panel, figures(kpi, rows["score"].to_numpy(), SIZE, SIZE), name)
        check_percentiles(kpi, panel, rows["score"].to_numpy())
        columns = series(kpi, rows, FROM, TO, granularity, zone)
        agree_columns(panel["series"], columns, name, "series")
        agree(panel["trend"], trend(kpi, columns["average"]), name, "trend")
        agree(panel["seasonality"], seasonality(rows, zone), name, "seasonality")


def test_women_with_and_without_children(use_case):
    shown = use_case.read("compare", by="property", key="children", baseline="no", candidate="yes", **RANGE)
    compared = []
    for name, kpi in use_case.kpis.items():
        rows = use_case.of(name)
        own = np.array(use_case.property("children", rows["id"]))
        compared.append((kpi, two_sides(kpi, *(rows["score"].to_numpy()[own == value] for value in ("no", "yes")))))
    holm(compared)
    assert len(shown["comparisons"]) == len(KPIS)
    for one, (kpi, expected) in zip(shown["comparisons"], compared):
        agree(one, expected, kpi["name"], "comparison")
    # What the data is known for.
    assert {one["kpi_name"]: one["verdict"] for one in shown["comparisons"]}["Marriage rating"] == "worsened"


@pytest.mark.parametrize("key", ["children", "occupation", "age", "educ"])
def test_breakdowns(use_case, key):
    shown = use_case.read("breakdown", by=f"property:{key}", **RANGE)
    for kpi in shown["kpis"]:
        name = kpi["kpi_name"]
        rows = use_case.of(name)
        expected = breakdown(use_case.kpis[name], list(rows["score"]), use_case.property(key, rows["id"]))
        assert sorted(one["value"] for one in kpi["values"]) == sorted(expected), name
        for one in kpi["values"]:
            agree(one, expected[one["value"]], name, f"breakdown by {key}: {one['value']}")
