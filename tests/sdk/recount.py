"""What a dashboard has to show for scores that a test recorded, computed from those scores alone, and other comparisons."""

import datetime
import math
import statistics


def recent(moment):
    """Parsed, with a time zone, and of these minutes (clocks of two machines may differ a little)."""
    age = datetime.datetime.now(datetime.timezone.utc) - moment
    return abs(age) < datetime.timedelta(minutes=5)


def close(shown, expected, relative=1e-9):
    return math.isclose(shown, expected, rel_tol=relative, abs_tol=1e-12)


def percentage(part, whole):
    return 100 * part / whole


def same_percentage(shown, expected):
    """Percentages are shown with two decimals."""
    return abs(shown - expected) <= 0.005 + 1e-9


def check_kpi(shown, scores, goal, instances):
    """`shown` is one KPI of a dashboard; `scores` everything recorded for it, at most one for each of `instances`."""
    scores = [float(score) for score in scores]
    name = shown["kpi_name"]
    average = sum(scores) / len(scores)
    assert shown["count"] == len(scores), name
    assert close(shown["average"], average), name
    assert (shown["minimum"], shown["maximum"]) == (min(scores), max(scores)), name
    assert close(shown["standard_deviation"], statistics.stdev(scores), 1e-6), name
    assert shown["goal"] == goal, name
    assert shown["goal_met"] is (average >= goal), name
    assert same_percentage(shown["percent_of_goal"], 100 * average / goal), name
    assert shown["reviewed"]["count"] == len(scores), name
    assert same_percentage(shown["reviewed"]["percentage"], percentage(len(scores), instances)), name
    assert sum(bucket["count"] for bucket in shown["series"]) == len(scores), name
    if shown["kpi_type"] == "boolean":
        assert shown["scores_meeting_goal_percentage"] is None, name
        assert shown["distribution"]["true"] == scores.count(1), name
        assert shown["distribution"]["false"] == scores.count(0), name
    else:
        met = sum(score >= goal for score in scores)
        assert same_percentage(shown["scores_meeting_goal_percentage"], percentage(met, len(scores))), name
        assert sum(bucket["count"] for bucket in shown["distribution"]["buckets"]) == len(scores), name
