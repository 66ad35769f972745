"""An application of its own for every run, so that a run can be repeated against the same service."""

import json
import os
import urllib.request
import uuid

import httpx
import pytest

from dialect import Dialect


def administer(path, key, body):
    """Administration is no part of the SDKs: plain HTTP."""
    message = urllib.request.Request(
        os.environ["EDGE_KPI_URL"] + path,
        method="POST",
        data=json.dumps(body).encode(),
        headers={"xProxy-api-key": key, "content-type": "application/json"},
    )
    with urllib.request.urlopen(message, timeout=60) as answer:
        return json.load(answer)


def new_application():
    made = administer("/api/v1/applications", os.environ["EDGE_KPI_API_KEY"], {"application_id": f"sdk-{uuid.uuid4().hex}"})
    return made["admin_key"]["api_key"]


@pytest.fixture(scope="session")
def dialect():
    return Dialect(os.environ["EDGE_KPI_DIALECT"])


@pytest.fixture(scope="session")
def url():
    return os.environ["EDGE_KPI_URL"]


@pytest.fixture(scope="session")
def key():
    return new_application()


@pytest.fixture(scope="session")
def stranger_key():
    """The key of another application."""
    return new_application()


@pytest.fixture(scope="session")
def role_key(key):
    return lambda role: administer("/api/v1/keys", key, {"role": role})["api_key"]


@pytest.fixture
def client(dialect, url, key):
    """No retries: what a test sees is the service's first answer."""
    with dialect.Client(base_url=url, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def async_client(dialect, url, key):
    """A function, because an asynchronous client belongs to the event loop that it is used in."""
    return lambda **options: dialect.AsyncClient(base_url=url, api_key=key, max_retries=0, **options)


@pytest.fixture
def use_case():
    """A name that no other test uses."""
    return f"Case-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def dashboard(client):
    """Reads a dashboard through the SDK's way to call what it has no method for."""

    def read(use_case, **filters):
        filters = {"from": "2000-01-01", "granularity": "month", **filters}
        shown = client.get(f"/api/v1/dashboard/{use_case}", cast_to=object, options={"params": filters})
        shown["by_name"] = {kpi["kpi_name"]: kpi for kpi in shown["kpis"]}
        return shown

    return read


class Watched(httpx.BaseTransport):
    """Notes what is really sent, and can lose answers after the service has given them."""

    def __init__(self):
        self.sent = []
        self.answers_to_lose = 0
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request):
        self.sent.append(request)
        answer = self.inner.handle_request(request)
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            answer.read()
            raise httpx.ReadError("the connection broke before the answer came", request=request)
        return answer

    def close(self):
        self.inner.close()


@pytest.fixture
def watched(dialect, url, key):
    """A client with the SDK's own retries, and the transport that watches it."""
    transport = Watched()
    with httpx.Client(base_url=url, transport=transport, timeout=60) as http:
        yield dialect.Client(base_url=url, api_key=key, max_retries=2, http_client=http), transport
