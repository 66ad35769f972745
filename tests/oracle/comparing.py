"""What a comparison has to say, from the raw scores of both sides: by scipy and statsmodels."""

import warnings

import numpy as np
from scipy import stats
from statsmodels.stats import proportion
from statsmodels.stats.multitest import multipletests

from agreement import ABSENT
from expected import deviation, in_range, mean, meets, percent_of_goal, share, shifted

FIGURES = ("confidence_interval", "p_value", "effect_size")


def sample(scores):
    return {"count": len(scores), "average": mean(scores), "standard_deviation": deviation(scores)}


def two_sides(kpi, baseline, candidate, alpha=0.05):
    """Scores against scores."""
    baseline, candidate = (np.asarray(side, dtype=float) for side in (baseline, candidate))
    (one, two), _ = shifted(baseline, candidate)
    difference = mean(two) - mean(one) if len(one) and len(two) else None
    boolean = kpi["kpi_type"] == "boolean"
    found = {
        "baseline": sample(baseline),
        "candidate": sample(candidate),
        "test": "two_proportion_z" if boolean else "welch_t",
        "reason": ABSENT,
    }
    enough = len(one) >= 2 and len(two) >= 2
    if enough and boolean and len(set(baseline) | set(candidate)) > 1:
        figures = proportions(baseline, candidate, alpha)
    elif enough and not boolean and (deviation(one) > 0 or deviation(two) > 0):
        figures = means(one, two, alpha)
    else:
        figures = None
    return concluded(kpi, found, difference, found["baseline"]["average"], figures, alpha)


def proportions(baseline, candidate, alpha):
    trues, sizes = [int(candidate.sum()), int(baseline.sum())], [len(candidate), len(baseline)]
    p = proportion.proportions_ztest(trues, sizes)[1]
    low, high = proportion.confint_proportions_2indep(trues[0], sizes[0], trues[1], sizes[1], method="newcomb", compare="diff", alpha=alpha)
    effect = proportion.proportion_effectsize(trues[0] / sizes[0], trues[1] / sizes[1])
    return float(p), float(low), float(high), float(effect)


def means(baseline, candidate, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(candidate, baseline, equal_var=False)
    low, high = test.confidence_interval(1 - alpha)
    f1, f2 = len(baseline) - 1, len(candidate) - 1
    pooled = np.sqrt((f1 * baseline.var(ddof=1) + f2 * candidate.var(ddof=1)) / (f1 + f2))
    return float(test.pvalue), float(low), float(high), float((candidate.mean() - baseline.mean()) / pooled)


def benchmark(kpi, value, scores, alpha=0.05):
    """Scores against a fixed value."""
    scores = np.asarray(scores, dtype=float)
    (own, fixed), _ = shifted(scores, [value])
    difference = mean(own) - fixed[0] if len(own) else None
    boolean = kpi["kpi_type"] == "boolean"
    found = {
        "baseline": {"benchmark": value},
        "candidate": sample(scores),
        "test": "one_proportion_z" if boolean else "one_sample_t",
        "reason": ABSENT,
    }
    figures = None
    if boolean and len(own) >= 2 and 0 < value < 1:
        true, size = int(scores.sum()), len(scores)
        p = proportion.proportions_ztest(true, size, value=value, prop_var=value)[1]
        low, high = proportion.proportion_confint(true, size, alpha=alpha, method="wilson")
        figures = float(p), float(low - value), float(high - value), float(proportion.proportion_effectsize(true / size, value))
    elif not boolean and len(own) >= 2 and deviation(own) > 0:
        test = stats.ttest_1samp(own, fixed[0])
        low, high = test.confidence_interval(1 - alpha)
        effect = (own.mean() - fixed[0]) / own.std(ddof=1)
        figures = float(test.pvalue), float(low - fixed[0]), float(high - fixed[0]), float(effect)
    return concluded(kpi, found, difference, value, figures, alpha)


def concluded(kpi, found, difference, reference, figures, alpha):
    found["difference"] = difference
    found["relative_change_percent"] = 100 * difference / abs(reference) if difference is not None and reference else None
    found["p_value_adjusted"] = ABSENT
    if figures is None:
        # It says why, in words that are not pinned here.
        del found["reason"]
        return {**found, **dict.fromkeys(FIGURES), "verdict": "insufficient_data"}
    p, low, high, effect = figures
    found |= {"p_value": p, "confidence_interval": {"level": 1 - alpha, "low": low, "high": high}, "effect_size": effect}
    found["verdict"] = verdict(kpi, difference, p, alpha)
    return found


def verdict(kpi, difference, p, alpha):
    if p >= alpha:
        return "no_significant_change"
    return "improved" if (difference > 0) == (kpi["direction"] == "higher_is_better") else "worsened"


def holm(compared, alpha=0.05):
    """Adjusts, in place, comparisons `(kpi, comparison)` that are read together."""
    tested = [(kpi, comparison) for kpi, comparison in compared if comparison["p_value"] is not None]
    if tested:
        adjusted = multipletests([comparison["p_value"] for _, comparison in tested], alpha=alpha, method="holm")[1]
        for (kpi, comparison), p in zip(tested, adjusted):
            comparison["p_value_adjusted"] = float(p)
            comparison["verdict"] = verdict(kpi, comparison["difference"], p, alpha)


def breakdown(kpi, scores, values, alpha=0.05):
    """By value: `values` names the value of each of the scores, None where there is none."""
    groups = {}
    for score, value in zip(scores, values):
        groups.setdefault(value, []).append(score)
    found = {}
    for value, own in groups.items():
        others = [score for score, other in zip(scores, values) if other != value]
        average = mean(own)
        found[value] = {
            "value": value,
            "count": len(own),
            "share_percentage": share(len(own), len(scores)),
            "average": average,
            "standard_deviation": deviation(own),
            "goal_met": meets(kpi, average),
            "percent_of_goal": percent_of_goal(kpi, average),
            "against_others": two_sides(kpi, others, own, alpha),
        }
    holm([(kpi, own["against_others"]) for own in found.values()], alpha)
    return found


def between(frame, begin, end):
    """The scores of `[begin, end)`, both on quarters of an hour."""
    return in_range(frame, "at", begin, end)
