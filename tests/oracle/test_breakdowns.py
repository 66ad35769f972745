"""Values side by side, and filters: against masks over the raw scores, also after properties have changed."""

import numpy as np
import pandas as pd
import pytest

from agreement import agree
from comparing import breakdown
from expected import check_percentiles, deviation, figures, in_range, mean
from service import App, UseCase, utc

LOWER = {"direction": "lower_is_better"}
FROM, TO = utc("2026-07-01"), utc("2026-08-01")
MODELS = ["gpt-4o", "claude & co", "größer", None]
KPIS = [
    {"name": "Solved", "kpi_type": "boolean", "goal": 0.5},
    {"name": "Latency", "kpi_type": "number", "goal": 1, **LOWER},
    {"name": "Billion", "kpi_type": "number", "goal": 1e9, "bucket_width": 0.1},
    {"name": "Stars", "kpi_type": "likert5", "goal": 3.5},
    {"name": "Share", "kpi_type": "percentage", "goal": 0.3, **LOWER},
    {"name": "Outlier", "kpi_type": "number", "goal": 7},
    {"name": "Only one", "kpi_type": "number", "goal": 7},
]


def draw(random, model, version):
    better = MODELS.index(model) - 1
    return {
        "Solved": int(random.random() < 0.5 + 0.09 * better),
        "Latency": float(random.gamma(2, 0.5 - 0.08 * better)),
        "Billion": float(1e9 + round(random.normal(0.4 * better, 1), 2)),
        "Stars": int(np.clip(random.integers(1, 6) + (version == 2), 1, 5)),
        "Share": float(round(random.beta(2, 3), 2)),
        "Outlier": float(random.normal(7, 2)),
    }


@pytest.fixture(scope="module")
def use_case():
    use_case = UseCase(App.new(), "Broken-Down", KPIS)
    random = np.random.default_rng(23)
    use_case.next_version(utc("2026-07-10"))
    for version, n in ((1, 150), (2, 250)):
        created = [FROM + pd.Timedelta(minutes=int(minute)) for minute in random.integers(-3000, 31 * 1440, n)]
        models = [MODELS[int(place)] for place in random.choice(4, n, p=[0.4, 0.3, 0.1, 0.2])]
        # A user of its own each: far more values than are tracked.
        own = [
            {key: value for key, value in {"model": model, "tier": ["free", "pro"][place % 2], "user": f"u-{version}-{place // 3}"}.items() if value}
            for place, model in enumerate(models)
        ]
        ids = use_case.create(created, version, own)
        rows = [
            (id, name, score, at + pd.Timedelta(minutes=int(random.integers(0, 50))))
            for id, at, model in zip(ids, created, models)
            for name, score in draw(random, model, version).items()
            if random.random() < 0.85
        ]
        at_outlier = models.index("gpt-4o")
        rows = [row for row in rows if row[:2] != (ids[at_outlier], "Outlier")]
        rows.append((ids[at_outlier], "Outlier", 1e12, utc("2026-07-15 12:00")))
        rows += [(id, "Only one", float(place), utc("2026-07-15 12:00")) for place, (id, model) in enumerate(zip(ids, models)) if model == "größer"]
        use_case.record(pd.DataFrame(rows, columns=["id", "kpi", "score", "at"]), version)
    return use_case


def check_breakdown(use_case, by, alpha=0.05, properties=None, version=None, begin=FROM, end=TO):
    shown = use_case.read("breakdown", by=by, from_=begin.isoformat(), to=end.isoformat(), alpha=alpha, properties=properties or {}, version=version)
    assert (shown["by"], shown["alpha"]) == (by, alpha)
    assert [kpi["kpi_name"] for kpi in shown["kpis"]] == list(use_case.kpis)
    for kpi in shown["kpis"]:
        name = kpi["kpi_name"]
        rows = in_range(filtered(use_case, name, properties, version), "at", begin, end)
        values = [int(v) for v in rows["version"]] if by == "version" else use_case.property(by.removeprefix("property:"), rows["id"])
        expected = breakdown(use_case.kpis[name], list(rows["score"]), values, alpha)
        agree(kpi, {"count": len(rows), "average": mean(rows["score"])}, name, f"breakdown by {by}")
        assert sorted(map(str, (one["value"] for one in kpi["values"]))) == sorted(map(str, expected)), name
        for one in kpi["values"]:
            agree(one, expected[one["value"]], name, f"breakdown by {by}: {one['value']}")
        assert [one["rank"] for one in kpi["values"]] == list(range(1, len(expected) + 1)), name
        best_first = sorted((own["average"] for own in expected.values()), reverse=use_case.kpis[name]["direction"] == "higher_is_better")
        agree([{"average": one["average"]} for one in kpi["values"]], [{"average": average} for average in best_first], name, f"ranks by {by}")


def filtered(use_case, name, properties, version):
    """The scores of the KPI that a filter leaves."""
    rows = use_case.of(name)
    if version:
        rows = rows[rows["version"] == version]
    for key, value in (properties or {}).items():
        rows = rows[np.array([own == value for own in use_case.property(key, rows["id"])], dtype=bool)]
    return rows


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("by", ["version", "property:model", "property:tier", "property:unheard"])
def test_breakdowns(use_case, by, alpha):
    check_breakdown(use_case, by, alpha)


def test_breakdowns_of_a_part(use_case):
    check_breakdown(use_case, "property:model", version=2)
    check_breakdown(use_case, "property:model", properties={"tier": "pro"})
    check_breakdown(use_case, "version", properties={"model": "gpt-4o"}, begin=utc("2026-07-08"), end=utc("2026-07-20 10:30"))
    check_breakdown(use_case, "property:tier", properties={"model": "größer", "tier": "pro"}, version=2)


def check_filtered(use_case, properties, version=None, kpis=None, begin=FROM, end=TO):
    shown = use_case.dashboard(
        from_=begin.isoformat(), to=end.isoformat(), granularity="week", properties=properties, version=version, kpi=kpis
    )
    created = in_range(use_case.instances, "created", begin, end)
    created = created[[(not version or own == version) for own in created["version"]]]
    created = created[[all(own.get(key) == value for key, value in properties.items()) for own in created["properties"]]]
    reviewed = int(created.index.isin(use_case.scores["id"]).sum())
    agree(shown["use_cases"], {"total": len(created), "reviewed": reviewed}, "all KPIs", f"use_cases of {properties}")
    assert shown["filters"] == {"version": version, "properties": properties}
    assert [kpi["kpi_name"] for kpi in shown["kpis"]] == [name for name in use_case.kpis if not kpis or name in kpis]
    for panel in shown["kpis"]:
        name = panel["kpi_name"]
        rows = in_range(filtered(use_case, name, properties, version), "at", begin, end)
        own = int(created.index.isin(use_case.of(name)["id"]).sum())
        scores = rows["score"].to_numpy()
        agree(panel, figures(use_case.kpis[name], scores, own, len(created)), name, f"filtered by {properties}, version {version}: ")
        check_percentiles(use_case.kpis[name], panel, scores)
    return sum(kpi["count"] for kpi in shown["kpis"])


def check_filters(use_case):
    model, tier = {"model": "gpt-4o"}, {"tier": "pro"}
    for properties in (model, tier, {"model": "claude & co"}, {"model": "größer"}, {"user": "u-2-1"}, model | tier, model | {"user": "u-1-0"}):
        check_filtered(use_case, properties)
    assert check_filtered(use_case, {"model": "unheard"}) == 0
    assert check_filtered(use_case, {"unheard": "x"}) == 0
    for version in (1, 2):
        check_filtered(use_case, model, version)
        check_filtered(use_case, model | tier, version, ["Latency", "Stars"], utc("2026-07-05 03:10"), utc("2026-07-19 22:22"))
        check_filtered(use_case, tier, version, ["Billion"], utc("2026-07-05 03:10"), utc("2026-07-19 22:22"))


def test_filters(use_case):
    check_filters(use_case)


def test_filters_and_breakdowns_follow_properties_that_change(use_case):
    ids = list(use_case.instances.index)
    changes = {id: {"model": "gpt-5"} for id in ids[0:30]}
    changes |= {id: {"model": None} for id in ids[30:60]}
    changes |= {id: {"model": "gpt-4o", "tier": "pro", "user": None} for id in ids[60:90]}
    changes |= {id: {"tier": None, "stage": "beta"} for id in ids[90:120]}
    use_case.set_properties(changes)
    # Twice: the last value counts.
    use_case.set_properties({id: {"model": "claude & co"} for id in ids[20:40]})
    check_filters(use_case)
    for properties in ({"model": "gpt-5"}, {"stage": "beta"}, {"stage": "beta", "model": "gpt-4o"}):
        assert check_filtered(use_case, properties) > 0
    check_breakdown(use_case, "property:model")
    check_breakdown(use_case, "property:stage")
    check_breakdown(use_case, "property:tier", version=1)


def test_scores_beside_an_enormous_one_keep_their_deviation():
    """The others than a value are what is left of all scores without it: nothing of the value may stay behind."""
    use_case = UseCase(App.new(), "Enormous", [{"name": "Worth", "kpi_type": "number", "goal": 10}])
    random = np.random.default_rng(29)
    at = utc("2026-07-15 12:00")
    ids = use_case.create([at] * 90, 1, [{"model": ["a", "b", "b"][place % 3]} if place < 60 else {} for place in range(90)])
    # Those of b all the same; the enormous one belongs to a.
    scores = [1e12 if place == 0 else 0.1 if place < 60 and place % 3 else float(random.normal(10, 1)) for place in range(90)]
    use_case.record(pd.DataFrame({"id": ids, "kpi": "Worth", "score": scores, "at": at}))
    check_breakdown(use_case, "property:model")
    assert deviation([0.1] * 40) == 0.0
