"""How often the service is wrong: 200 data sets in which nothing happened, and 200 in which something did, each a KPI."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from comparing import two_sides
from service import App, UseCase, utc

SETS, KPIS_PER_TYPE = 200, 50
SIZE = 60
DAYS = 60
FROM = utc("2026-05-01")
RANGE = {"from_": FROM.isoformat(), "to": (FROM + pd.Timedelta(days=DAYS)).isoformat()}
ALPHA = 0.05
TRUE_SHARE = 0.4
# Standard errors of what is planted, and of what may come out by chance.
EFFECT, CHANCE = 3, 3


def error(share):
    return math.sqrt(share * (1 - share) / SETS)


def power(effect):
    """Of a two-sided z test at an effect of so many standard errors."""
    reach = stats.norm.ppf(1 - ALPHA / 2)
    return stats.norm.cdf(effect - reach) + stats.norm.cdf(-effect - reach)


def kinds(at):
    """Half of the sets are boolean."""
    return {"name": f"K{at}", **({"kpi_type": "boolean", "goal": 0.5} if at % 2 else {"kpi_type": "number", "goal": 10})}


def draws(random, at, effect, n):
    """A version's scores, off by `effect` standard errors of the difference between two versions."""
    if at % 2 == 0:
        return random.normal(10 + effect * math.sqrt(2 / SIZE), 1, n)
    # The share whose difference to TRUE_SHARE is that many of its own standard errors.
    step = effect * math.sqrt(2 * TRUE_SHARE * (1 - TRUE_SHARE) / SIZE)
    return random.binomial(1, TRUE_SHARE + step, n)


def sets_of_versions(name, effect, seed):
    """Both versions score on all days alike: over time nothing happens."""
    app, random = App.new(), np.random.default_rng(seed)
    made = []
    for first in range(0, SETS, KPIS_PER_TYPE):
        use_case = UseCase(app, f"{name}-{first}", [kinds(at) for at in range(first, first + KPIS_PER_TYPE)])
        use_case.next_version(FROM + pd.Timedelta(days=DAYS / 2))
        for version in (1, 2):
            parts = []
            for at in range(first, first + KPIS_PER_TYPE):
                scores = draws(random, at, effect * (version - 1), SIZE)
                moments = [FROM + pd.Timedelta(days=day, hours=12) for day in range(SIZE)]
                parts.append(pd.DataFrame({"id": [f"{name}-{first}-{version}-{n}" for n in range(SIZE)], "kpi": f"K{at}", "score": scores, "at": moments}))
            use_case.record(pd.concat(parts), version)
        made.append(use_case)
    return made


@pytest.fixture(scope="module")
def nothing():
    return sets_of_versions("Nothing", 0, 41)


def p_values(made):
    """As the service has them, one comparison a set, held against scipy's."""
    found = []
    for use_case in made:
        shown = use_case.read("compare", by="version", baseline=1, candidate=2, **RANGE)
        for one in shown["comparisons"]:
            rows = use_case.of(one["kpi_name"])
            sides = (rows[rows["version"] == version]["score"] for version in (1, 2))
            right = two_sides(use_case.kpis[one["kpi_name"]], *sides)["p_value"]
            assert abs(one["p_value"] - right) <= 1e-6, f"p_value of {one['kpi_name']}: {one['p_value']} is shown, {right} is right"
            found.append(one["p_value"])
    assert len(found) == SETS
    return np.array(found)


@pytest.fixture
def told(capsys):
    """Tells a share, whatever pytest captures, and hands it back."""

    def tell(what, share, limit):
        with capsys.disabled():
            print(f"\n{what}: {share:.1%} (limit {limit:.1%})")
        return share

    return tell


def test_comparisons_without_an_effect_are_rarely_significant(nothing, told):
    share = (p_values(nothing) < ALPHA).mean()
    limit = ALPHA + CHANCE * error(ALPHA)
    assert told("significant without an effect", share, limit) <= limit


def test_trends_without_a_trend_are_rarely_significant(nothing, told):
    verdicts = [kpi["trend"]["verdict"] for use_case in nothing for kpi in use_case.dashboard(**RANGE)["kpis"]]
    assert len(verdicts) == SETS and set(verdicts) <= {"stable", "improving", "degrading"}
    share = np.mean([verdict != "stable" for verdict in verdicts])
    limit = ALPHA + CHANCE * error(ALPHA)
    assert told("trends without a trend", share, limit) <= limit


def test_an_effect_of_three_standard_errors_is_found_as_often_as_theory_says(told):
    share = (p_values(sets_of_versions("Effect", EFFECT, 43)) < ALPHA).mean()
    limit = power(EFFECT) - CHANCE * error(power(EFFECT))
    assert told(f"effects of three standard errors found (theory: {power(EFFECT):.1%})", share, limit) >= limit


def test_a_trend_of_three_standard_errors_is_found_as_often_as_theory_says(told):
    """Of the least-squares slope, that is; Mann and Kendall's statistic is expected at somewhat less, divided by its own error."""
    app, random = App.new(), np.random.default_rng(47)
    slope = EFFECT / math.sqrt(DAYS * (DAYS**2 - 1) / 12)
    found = []
    for first in range(0, SETS, KPIS_PER_TYPE):
        use_case = UseCase(app, f"Trend-{first}", [{"name": f"K{at}", "kpi_type": "number", "goal": 10} for at in range(first, first + KPIS_PER_TYPE)])
        days = np.arange(DAYS)
        use_case.record(pd.concat([
            pd.DataFrame({
                "id": [f"{first}-{day}" for day in days], "kpi": f"K{at}",
                "score": 10 + slope * days + random.normal(0, 1, DAYS), "at": [FROM + pd.Timedelta(days=int(day), hours=12) for day in days],
            })
            for at in range(first, first + KPIS_PER_TYPE)
        ]))
        found += [kpi["trend"]["verdict"] == "improving" for kpi in use_case.dashboard(**RANGE)["kpis"]]
    gaps = np.arange(1, DAYS)
    rising = ((DAYS - gaps) * (2 * stats.norm.cdf(slope * gaps / math.sqrt(2)) - 1)).sum()
    theory = power((rising - 1) / math.sqrt(DAYS * (DAYS - 1) * (2 * DAYS + 5) / 18))
    limit = theory - CHANCE * error(theory)
    assert told(f"trends of three standard errors found (theory: {theory:.1%})", np.mean(found), limit) >= limit
