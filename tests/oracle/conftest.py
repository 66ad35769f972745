"""Every use case lives in an application of its own, so that a run can be repeated against the same service."""

import pytest

from service import App


@pytest.fixture(scope="module")
def app():
    return App.new()
