"""Errors arrive as the SDK's own exceptions, and are not retried where that would be of no use."""

import httpx
import pytest


class Counting(httpx.BaseTransport):
    """Counts what is really sent."""

    def __init__(self):
        self.sent = 0
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request):
        self.sent += 1
        return self.inner.handle_request(request)


@pytest.fixture
def counted(dialect, url, key):
    transport = Counting()
    client = dialect.client(url, key, max_retries=2, http_client=httpx.Client(base_url=url, transport=transport))
    return client, transport


def refused(dialect, error, code, counted, act):
    client, transport = counted
    with pytest.raises(getattr(dialect.package, error)) as caught:
        act(client)
    assert caught.value.body["xproxy_error"]["code"] == code
    assert caught.value.body["statusCode"] == caught.value.status_code
    assert transport.sent == 1, "a definitive error was retried"


def test_what_does_not_exist_is_a_not_found_error(dialect, counted, use_case):
    refused(dialect, "NotFoundError", "use_case_not_found", counted, lambda c: c.use_cases.definitions.retrieve(use_case))


def test_a_score_out_of_range_is_a_bad_request_error(dialect, client, counted, use_case):
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    instance = client.use_cases.create(use_case).use_case_id
    refused(dialect, "BadRequestError", "score_out_of_range", counted, lambda c: dialect.score(c, use_case, instance, kpi, 9))


def test_a_kpi_of_another_type_is_a_conflict_error(dialect, client, counted, use_case):
    dialect.define_kpi(client, use_case, "Mood", "likert5", 3)
    refused(dialect, "ConflictError", "kpi_already_exists", counted, lambda c: dialect.define_kpi(c, use_case, "Mood", "boolean", 0.5))


def test_a_wrong_key_is_an_authentication_error(dialect, url):
    with pytest.raises(dialect.package.AuthenticationError) as caught:
        dialect.client(url, "ekpi_wrong").use_cases.definitions.retrieve("T")
    assert caught.value.body["xproxy_error"]["code"] == "invalid_api_key"


def test_a_read_key_that_writes_is_a_permission_denied_error(dialect, url, role_key, use_case):
    with pytest.raises(dialect.package.PermissionDeniedError) as caught:
        dialect.client(url, role_key("read")).use_cases.definitions.create(name=use_case, description="")
    assert caught.value.body["xproxy_error"]["code"] == "forbidden"


def test_an_editor_key_is_enough_for_start_up_code(dialect, url, role_key, use_case):
    client = dialect.client(url, role_key("editor"), max_retries=0)
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    instance = client.use_cases.create(use_case).use_case_id
    dialect.score(client, use_case, instance, kpi, 4)


def test_what_the_product_does_not_do_says_so_and_is_not_retried(dialect, counted, use_case):
    refused(dialect, "InternalServerError", "not_supported", counted, lambda c: c.categories.list())


def test_a_spending_limit_says_why_not(dialect, counted, use_case):
    refused(
        dialect,
        "InternalServerError",
        "limits_not_supported",
        counted,
        lambda c: c.use_cases.definitions.limit_config.create(use_case, max=5),
    )
