"""Events and what got worse after them: a version against the one before, and windows around a change."""

import numpy as np
import pandas as pd
import pytest

from agreement import agree
from comparing import between, holm, two_sides
from service import App, UseCase, iso, utc

FROM, TO = utc("2026-04-01"), utc("2026-07-01")
RISES = [utc("2026-05-01 10:20"), utc("2026-06-01")]
# The last one lies outside the range; the third is not on a quarter of an hour.
EVENTS = [utc("2026-04-15"), utc("2026-05-16 12:30"), utc("2026-06-11 07:07"), utc("2026-07-05")]
WEEK = pd.Timedelta(days=7)
KPIS = [
    {"name": "Solved", "kpi_type": "boolean", "goal": 0.5},
    {"name": "Latency", "kpi_type": "number", "goal": 1, "direction": "lower_is_better"},
    {"name": "Stars", "kpi_type": "likert5", "goal": 3.5},
    {"name": "Share", "kpi_type": "percentage", "goal": 0.3},
    {"name": "Quiet", "kpi_type": "boolean", "goal": 0.5},
]


def draw(random, at, version):
    # Planted: version 3 solves much less; from the second event on, answers take a little longer; version 2 is better liked.
    return {
        "Solved": int(random.random() < (0.3 if version == 3 else 0.72)),
        "Latency": float(random.gamma(4, 0.25 if at < EVENTS[1] else 0.27)),
        "Stars": int(np.clip(round(random.normal(3.0 if version == 1 else 3.5, 1)), 1, 5)),
        "Share": float(random.beta(2, 3)),
    }


@pytest.fixture(scope="module")
def use_case():
    use_case = UseCase(App.new(), "Eventful", KPIS)
    random = np.random.default_rng(31)
    for rise in RISES:
        use_case.next_version(rise)
    rows = {1: [], 2: [], 3: []}
    for place in range(1100):
        at = FROM + pd.Timedelta(minutes=int(random.integers(-14 * 1440, 105 * 1440)))
        version = 1 + sum(at >= rise for rise in RISES)
        rows[version] += [(f"e-{place}", name, score, at) for name, score in draw(random, at, version).items() if random.random() < 0.9]
    for version, own in rows.items():
        use_case.record(pd.DataFrame(own, columns=["id", "kpi", "score", "at"]), version)
    use_case.events = [(at, f"Event {place}", use_case.event(at, f"Event {place}")) for place, at in enumerate(EVENTS)]
    return use_case


def windows(at):
    at = at.floor("15min")
    return (at - WEEK, at), (at, at + WEEK)


def shown_window(at):
    return {side: {"from": iso(begin), "to": iso(end)} for side, (begin, end) in zip(("baseline", "candidate"), windows(at))}


def expected_events(use_case, begin=FROM, end=TO, only=lambda rows: rows, alpha=0.05):
    """`(what identifies the event, [(kpi, comparison)])` in the order of time, not adjusted yet."""
    found = []
    for version, at in use_case.versions[1:]:
        if begin <= at < end:
            of = lambda name, v: (lambda rows: rows[rows["version"] == v]["score"])(only(between(use_case.of(name), begin, end)))
            compared = [(kpi, two_sides(kpi, of(name, version - 1), of(name, version), alpha)) for name, kpi in use_case.kpis.items()]
            found.append((at, {"kind": "version", "at": iso(at), "version": version}, compared))
    for at, title, made in use_case.events:
        if begin <= at < end:
            sides = lambda name: [only(between(use_case.of(name), *window))["score"] for window in windows(at)]
            compared = [(kpi, two_sides(kpi, *sides(name), alpha)) for name, kpi in use_case.kpis.items()]
            identity = {"kind": "event", "at": iso(at), "event_id": made["event_id"], "title": title, "window": shown_window(at)}
            found.append((at, identity, compared))
    return [(identity, compared) for _, identity, compared in sorted(found, key=lambda one: one[0])]


def agree_compared(shown, compared, path):
    assert [one["kpi_name"] for one in shown] == [kpi["name"] for kpi, _ in compared]
    for one, (kpi, expected) in zip(shown, compared):
        agree(one, {"kpi_id": kpi["kpi_id"], "kpi_type": kpi["kpi_type"], **expected}, kpi["name"], path)


@pytest.mark.parametrize("version", [None, 2])
def test_the_dashboard_compares_at_each_event(use_case, version):
    shown = use_case.dashboard(from_=FROM.isoformat(), to=TO.isoformat(), granularity="week", version=version)["events"]
    # A version event sets the filter by version aside: it compares two.
    plain = expected_events(use_case)
    own = expected_events(use_case, only=lambda rows: rows[rows["version"] == version] if version else rows)
    expected = [a if a[0]["kind"] == "version" else b for a, b in zip(plain, own)]
    assert len(shown) == len(expected) == 5
    for event, (identity, compared) in zip(shown, expected):
        holm(compared)
        agree(event, identity, "all KPIs", "events")
        agree_compared(event["comparisons"], compared, f"events at {identity['at']}")


def test_the_answer_to_an_event_compares_the_windows_around_it(use_case):
    for at, title, made in use_case.events:
        compared = [
            (kpi, two_sides(kpi, *(between(use_case.of(name), *window)["score"] for window in windows(at)))) for name, kpi in use_case.kpis.items()
        ]
        holm(compared)
        agree(made, {"title": title, "at": iso(at), "window": shown_window(at)}, "all KPIs", "event")
        agree_compared(made["comparisons"], compared, f"event at {at}")


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("begin,end", [(FROM, TO), (utc("2026-04-20"), utc("2026-06-20 01:00"))])
def test_regressions_are_the_planted_ones_the_largest_first(use_case, begin, end, alpha):
    shown = use_case.read("regressions", from_=begin.isoformat(), to=end.isoformat(), alpha=alpha)
    everything = [(identity, kpi, one) for identity, compared in expected_events(use_case, begin, end, alpha=alpha) for kpi, one in compared]
    holm([(kpi, one) for _, kpi, one in everything], alpha)
    expected = [entry for entry in everything if entry[2]["verdict"] == "worsened"]
    expected.sort(key=lambda entry: -abs(entry[2]["effect_size"]))
    assert [(r["event"]["at"], r["kpi_name"]) for r in shown["regressions"]] == [(identity["at"], kpi["name"]) for identity, kpi, _ in expected]
    for regression, (identity, kpi, one) in zip(shown["regressions"], expected):
        agree(regression, {"event": identity, "kpi_id": kpi["kpi_id"], **one}, kpi["name"], f"regression at {identity['at']}")
    assert (shown["regressions"][0]["event"].get("version"), shown["regressions"][0]["kpi_name"]) == (3, "Solved")
    assert (shown["alpha"], shown["range"]["from"]) == (alpha, iso(begin))
