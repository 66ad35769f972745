"""Holds an answer against what was computed. A difference is told with its path, both values and the KPI."""

import math

import numpy as np

# Tolerances by the name of a figure: relative, absolute. Whole numbers, texts and truth values agree exactly.
TOLERANCES = {
    "average": (1e-9, 0.0),
    "percent_of_goal": (1e-9, 0.0),
    "p_value": (0.0, 1e-6),
    "p_value_adjusted": (0.0, 1e-6),
    "low": (1e-6, 1e-12),
    "high": (1e-6, 1e-12),
}
OTHERS = (1e-6, 0.0)
EXACT = ("count", "minimum", "maximum", "level")


def agree(shown, expected, kpi, path=""):
    """`expected` may leave fields out; what it has must be shown, and agree."""
    if isinstance(expected, dict):
        assert isinstance(shown, dict), tell(path, shown, expected, kpi)
        for name, value in expected.items():
            if value is ABSENT:
                assert name not in shown, tell(f"{path}.{name}", shown.get(name), "absent", kpi)
                continue
            assert name in shown, tell(f"{path}.{name}", "absent", value, kpi)
            agree(shown[name], value, kpi, f"{path}.{name}")
    elif isinstance(expected, (list, tuple)):
        assert isinstance(shown, list) and len(shown) == len(expected), tell(path, shown, expected, kpi)
        for at, value in enumerate(expected):
            agree(shown[at], value, kpi, f"{path}[{at}]")
    else:
        assert same(shown, expected, path.rpartition(".")[2]), tell(path, shown, expected, kpi)


# For a field that must not be there.
ABSENT = object()


def same(shown, expected, name):
    if isinstance(expected, (bool, np.bool_)) or expected is None or isinstance(expected, str):
        return type(shown) is type(expected if not isinstance(expected, np.bool_) else True) and shown == expected
    if isinstance(shown, bool) or not isinstance(shown, (int, float)):
        return False
    if name in EXACT:
        return shown == expected
    relative, absolute = TOLERANCES.get(name, OTHERS)
    # 1e-300: what should be 0 is 0.
    return math.isclose(shown, expected, rel_tol=relative, abs_tol=max(absolute, 1e-300))


def tell(path, shown, expected, kpi):
    return f"{path.lstrip('.')} of {kpi}: {shown!r} is shown, {expected!r} is right"


def agree_columns(shown, expected, kpi, path):
    """Many rows at once: `expected` is a dict of columns. Averages within 1e-9, all else exactly."""
    for name, column in expected.items():
        own = [row[name] for row in shown]
        assert len(own) == len(column), tell(f"{path} (rows)", len(own), len(column), kpi)
        if name == "average":
            left = np.array([np.nan if value is None else value for value in own])
            right = np.array([np.nan if value is None else value for value in column])
            wrong = ~((np.abs(left - right) <= 1e-9 * np.abs(right)) | (np.isnan(left) & np.isnan(right)))
        else:
            wrong = np.array([one != other for one, other in zip(own, column)])
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise AssertionError(tell(f"{path}[{at}].{name} ({shown[at]})", own[at], column[at], kpi))
