"""The figures of a dashboard as the contract defines them, from raw scores alone: by pandas, numpy, scipy and exact arithmetic."""

import math
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pymannkendall
from scipy import stats

from service import iso

SLOT = pd.Timedelta(minutes=15)
POINTS = {"likert5": 5, "likert7": 7, "likert10": 10}
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def mean(scores):
    """Correctly rounded; None without a score."""
    ratios = [float(score).as_integer_ratio() for score in scores]
    if not ratios:
        return None
    scale = max(below for _, below in ratios)
    return sum(above * (scale // below) for above, below in ratios) / (scale * len(ratios))


def shifted(*samples):
    """The samples less a number near all of them, so that numpy and scipy lose no digits; without one, as they are.
    The subtraction is exact (Sterbenz). Answers the samples, and that number."""
    samples = [np.asarray(sample, dtype=float) for sample in samples]
    everything = np.concatenate(samples)
    low, high = (everything.min(), everything.max()) if len(everything) else (0.0, 0.0)
    near = low if 0 < low and high < 2 * low else 0.0
    return [sample - near for sample in samples], near


def deviation(scores):
    scores = np.asarray(scores, dtype=float)
    if len(scores) < 2:
        return None
    if (scores == scores[0]).all():
        return 0.0
    [scores], _ = shifted(scores)
    return float(np.std(scores, ddof=1))


def nearest_rank(scores, quantile):
    """`quantile` is a text, so that the rank is exact."""
    rank = math.ceil(Fraction(quantile) * len(scores))
    return float(np.sort(np.asarray(scores, dtype=float))[max(rank, 1) - 1])


def meets(kpi, value):
    return bool(value >= kpi["goal"] if kpi["direction"] == "higher_is_better" else value <= kpi["goal"])


def percent_of_goal(kpi, average):
    if average is None:
        return None
    part, whole = (average, kpi["goal"]) if kpi["direction"] == "higher_is_better" else (kpi["goal"], average)
    return 100 * part / whole if whole != 0 else None


def share(part, whole):
    return 100 * part / whole if whole else None


def in_range(frame, column, begin, end):
    """The rows with a time in the effective range: `begin` rounded down to a slot, `end` up."""
    return frame[(frame[column] >= begin.floor(SLOT)) & (frame[column] < end.ceil(SLOT))]


def figures(kpi, scores, reviewed, instances):
    """All but distribution, series, trend and seasonality; percentiles are `check_percentiles`'."""
    average = mean(scores)
    boolean = kpi["kpi_type"] == "boolean"
    return {
        "kpi_id": kpi["kpi_id"],
        "kpi_type": kpi["kpi_type"],
        "goal": kpi["goal"],
        "direction": kpi["direction"],
        "count": len(scores),
        "average": average,
        "standard_deviation": deviation(scores),
        "minimum": float(min(scores)) if len(scores) else None,
        "maximum": float(max(scores)) if len(scores) else None,
        "goal_met": meets(kpi, average) if len(scores) else None,
        "percent_of_goal": percent_of_goal(kpi, average),
        "scores_meeting_goal_percentage": None if boolean else share(sum(meets(kpi, score) for score in scores), len(scores)),
        "reviewed": {"count": reviewed, "percentage": share(reviewed, instances)},
        "distribution": distribution(kpi, scores),
    }


def check_percentiles(kpi, shown, scores):
    for name, quantile in (("p50", "0.5"), ("p90", "0.9"), ("p95", "0.95"), ("p99", "0.99")):
        value = shown["percentiles"][name]
        if not len(scores):
            assert value is None, f"percentiles.{name} of {kpi['name']}: {value} without scores"
            continue
        exact = nearest_rank(scores, quantile)
        allowed = 0 if kpi["kpi_type"] == "boolean" else 0.01 * abs(exact)
        assert abs(value - exact) <= allowed, f"percentiles.{name} of {kpi['name']}: {value!r} is shown, {exact!r} is right"


def decimal(score):
    """As it was written: 0.3, not the double next to it. The edges of buckets are decimals."""
    return Decimal(repr(float(score)))


def default_width(goal):
    """The largest of 1, 2, 5 × 10ⁿ that is at most half the goal's magnitude."""
    half = abs(decimal(goal)) / 2
    widths = (Decimal(step).scaleb(exponent) for exponent in range(-20, 20) for step in (1, 2, 5))
    return max(width for width in widths if width <= half) if half else Decimal(1)


def distribution(kpi, scores):
    kpi_type = kpi["kpi_type"]
    if kpi_type == "boolean":
        true = sum(score == 1 for score in scores)
        return {"kind": "boolean", "true": true, "false": len(scores) - true, "true_percentage": share(true, len(scores))}
    if kpi_type in POINTS:
        nearest = [math.floor(decimal(score) + Decimal("0.5")) for score in scores]
        return {"kind": "likert", "buckets": [{"point": point, "count": nearest.count(point)} for point in range(1, POINTS[kpi_type] + 1)]}
    if kpi_type == "percentage":
        places = [min(math.floor(decimal(score) * 20), 19) for score in scores]
        buckets = [{"from": place / 20, "to": (place + 1) / 20, "count": places.count(place)} for place in range(20)]
        return {"kind": "percentage", "bucket_width": 0.05, "buckets": buckets}
    width = default_width(kpi["goal"]) if kpi["bucket_width"] is None else decimal(kpi["bucket_width"])
    if not len(scores):
        return {"kind": "number", "bucket_width": float(width), "buckets": []}
    # Doubled until the 1st to 99th percentile fits in 38 buckets.
    low, high = decimal(nearest_rank(scores, "0.01")), decimal(nearest_rank(scores, "0.99"))
    while math.floor(high / width) - math.floor(low / width) + 1 > 38:
        width *= 2
    first, last = math.floor(low / width), math.floor(high / width)
    places = [math.floor(decimal(score) / width) for score in scores]
    buckets = [
        {"from": float(place * width), "to": float((place + 1) * width), "count": places.count(place)} for place in range(first, last + 1)
    ]
    below, above = sum(place < first for place in places), sum(place > last for place in places)
    if below:
        buckets.insert(0, {"from": None, "to": float(first * width), "count": below})
    if above:
        buckets.append({"from": float((last + 1) * width), "to": None, "count": above})
    return {"kind": "number", "bucket_width": float(width), "buckets": buckets}


def starts(begin, end, granularity, zone):
    """The first instants of the calendar buckets that meet the range. Every quarter of an hour is asked what its clocks show:
    a bucket begins where that changes. The hour that comes twice is two buckets."""
    # Long enough before the range for the beginning of a month.
    slots = pd.date_range((begin - pd.Timedelta(days=33)).floor(SLOT), end.ceil(SLOT), freq=SLOT, inclusive="left", tz="UTC")
    local = slots.tz_convert(zone)
    naive = local.tz_localize(None)
    day = naive.normalize()
    keys = {
        "hour": lambda: list(zip(day, naive.hour, naive - slots.tz_localize(None))),
        "day": lambda: day,
        "week": lambda: day - pd.to_timedelta(naive.day_of_week, unit="D"),
        "month": lambda: list(zip(naive.year, naive.month)),
    }[granularity]()
    keys = pd.Series(list(keys))
    begins = slots[(keys != keys.shift()).to_numpy()][1:]
    return begins[begins.searchsorted(begin.floor(SLOT), side="right") - 1 :]


def series(kpi, scores, begin, end, granularity, zone):
    """Columns of the series. `scores` has `at` and `score`, all of them in the range."""
    buckets = starts(begin, end, granularity, zone)
    places = buckets.searchsorted(pd.DatetimeIndex(scores["at"]), side="right") - 1
    grouped = dict(tuple(pd.Series(scores["score"].to_numpy()).groupby(places)))
    empty = []
    averages = [mean(grouped.get(place, empty)) for place in range(len(buckets))]
    return {
        "start": [iso(start) for start in buckets],
        "count": [len(grouped.get(place, empty)) for place in range(len(buckets))],
        "average": averages,
        "goal_met": [None if average is None else meets(kpi, average) for average in averages],
    }


def trend(kpi, averages):
    """Of the averages of all buckets, None where there are no scores: Mann–Kendall, the slope of Theil and Sen."""
    values = np.array([np.nan if average is None else average for average in averages])
    places = np.flatnonzero(~np.isnan(values))
    found = {"verdict": "insufficient_data", "method": "mann_kendall_theil_sen", "buckets": len(places)}
    if len(places) < 8:
        return {**found, "tau": None, "p_value": None, "slope_per_bucket": None, "change_percent": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        test = pymannkendall.original_test(values)
    rising = test.s > 0
    good = rising == (kpi["direction"] == "higher_is_better")
    found["verdict"] = "stable" if test.p >= 0.05 else "improving" if good else "degrading"
    first = test.intercept + test.slope * places[0]
    change = 100 * test.slope * (places[-1] - places[0]) / abs(first) if first else None
    return {**found, "tau": test.Tau, "p_value": test.p, "slope_per_bucket": test.slope, "change_percent": change}


def seasonality(scores, zone):
    """Profiles by what clocks in the zone show, and the one-way analysis of variance over them."""
    local = pd.DatetimeIndex(scores["at"]).tz_convert(zone)
    values = scores["score"].to_numpy()
    hours, days = ([values[part == place] for place in range(size)] for part, size in ((local.hour, 24), (local.day_of_week, 7)))
    profile = lambda label, names, groups: [{label: name, "count": len(group), "average": mean(group)} for name, group in zip(names, groups)]
    return {
        "hour_of_day": {**variance(hours), "profile": profile("hour", range(24), hours)},
        "day_of_week": {**variance(days), "profile": profile("day", WEEKDAYS, days)},
    }


def variance(groups):
    groups, _ = shifted(*groups)
    groups = [group for group in groups if len(group)]
    everything = np.concatenate(groups) if groups else np.array([])
    if len(groups) < 2 or len(everything) <= len(groups) or (everything == everything[0]).all():
        return {"seasonal": False, "eta_squared": None, "p_value": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        p = float(stats.f_oneway(*groups).pvalue)
    centre = everything.mean()
    between = sum(len(group) * (group.mean() - centre) ** 2 for group in groups)
    eta = between / ((everything - centre) ** 2).sum()
    return {"seasonal": bool(p < 0.01 and eta >= 0.05), "eta_squared": float(eta), "p_value": p}
