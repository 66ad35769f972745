"""An application of its own for every run, so that a run can be repeated against the same service."""

import json
import os
import urllib.request
import uuid

import pytest

from dialect import Dialect


def request(method, path, key, body=None):
    """A plain HTTP request: the checks look at the service from outside the SDK."""
    message = urllib.request.Request(
        os.environ["EDGE_KPI_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"xProxy-api-key": key, "content-type": "application/json"},
    )
    with urllib.request.urlopen(message, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture(scope="session")
def dialect():
    return Dialect(os.environ["EDGE_KPI_DIALECT"])


@pytest.fixture(scope="session")
def url():
    return os.environ["EDGE_KPI_URL"]


@pytest.fixture(scope="session")
def key():
    made = request("POST", "/api/v1/applications", os.environ["EDGE_KPI_API_KEY"], {"application_id": f"sdk-{uuid.uuid4().hex}"})
    return made["admin_key"]["api_key"]


@pytest.fixture(scope="session")
def role_key(key):
    def make(role):
        return request("POST", "/api/v1/keys", key, {"role": role})["api_key"]

    return make


@pytest.fixture
def client(dialect, url, key):
    return dialect.client(url, key, max_retries=0)


@pytest.fixture
def use_case():
    """A name that no other test uses."""
    return f"Case-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def dashboard(key):
    def read(use_case):
        shown = request("GET", f"/api/v1/dashboard/{use_case}?from=2000-01-01&granularity=month", key)
        shown["by_name"] = {kpi["kpi_name"]: kpi for kpi in shown["kpis"]}
        return shown

    return read
