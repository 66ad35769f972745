"""What the demo plants is found, and nothing else: one regression, one trend."""

import datetime
import os
import subprocess
from pathlib import Path

import pytest

from service import App

ROOT = Path(__file__).resolve().parents[2]
DAYS = 90
USE_CASES = {
    "Chat-Bot": ["Deflection Rate", "User Satisfaction"],
    "Image-Ad": ["Clickthrough Rate", "Close Rate", "Conversion $ Value", "Customer Satisfaction"],
    "Content-Generator": ["Response Quality"],
}


@pytest.fixture(scope="module")
def demo():
    """The default application, and the demo's range, which ends with the last full day."""
    done = subprocess.run(["node", ROOT / "scripts" / "demo.mjs"], env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    end = datetime.datetime.now(datetime.timezone.utc).date()
    return App.root(), {"from_": (end - datetime.timedelta(days=DAYS)).isoformat(), "to": end.isoformat()}


@pytest.mark.parametrize("use_case", USE_CASES)
def test_the_planted_regression_is_the_only_one(demo, use_case):
    app, range_ = demo
    found = app.get(f"/api/v1/dashboard/{use_case}/regressions", **range_)["regressions"]
    found = [(one["event"].get("version"), one["kpi_name"], one["verdict"]) for one in found]
    assert found == ([(2, "Deflection Rate", "worsened")] if use_case == "Chat-Bot" else [])


@pytest.mark.parametrize("use_case", USE_CASES)
def test_the_planted_trend_is_the_only_one(demo, use_case):
    app, range_ = demo
    shown = app.get(f"/api/v1/dashboard/{use_case}", granularity="week", **range_)["kpis"]
    assert [kpi["kpi_name"] for kpi in shown] == USE_CASES[use_case]
    for kpi in shown:
        planted = (use_case, kpi["kpi_name"]) == ("Chat-Bot", "Deflection Rate")
        assert kpi["trend"]["verdict"] == ("degrading" if planted else "stable"), f"{kpi['kpi_name']}: {kpi['trend']}"
