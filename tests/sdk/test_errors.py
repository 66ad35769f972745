"""Errors arrive as the SDK's own exceptions, and are not retried where that would be of no use."""

import asyncio
import uuid

import pytest

STATUS = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "InternalServerError": 501,
}


def definitions(client):
    return client.use_cases.definitions


def check(caught, error, code):
    answer = caught.value
    assert answer.status_code == STATUS[error]
    assert answer.body["statusCode"] == STATUS[error]
    assert answer.body["xproxy_error"]["code"] == code
    assert answer.body["xproxy_error"]["message"] == answer.body["message"] != ""
    assert answer.response.headers["x-request-id"]


@pytest.fixture
def refused(dialect, watched):
    """Fails unless what is done is refused with the error and the code, on the first request: none is sent again."""
    client, transport = watched

    def check_refusal(error, code, act):
        transport.sent.clear()
        with pytest.raises(getattr(dialect.package, error)) as caught:
            act(client)
        check(caught, error, code)
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert len(transport.sent) == 1, "a definitive error was retried"
        return caught.value

    return check_refusal


@pytest.fixture
def mood(dialect, client, use_case):
    """A KPI and an instance to go wrong with."""
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    return kpi, client.use_cases.create(use_case).use_case_id


def test_what_does_not_exist_is_a_not_found_error(dialect, refused, use_case, mood):
    kpi, instance = mood
    nowhere = f"{use_case}-nowhere"
    for code, act in [
        ("use_case_not_found", lambda c: definitions(c).retrieve(nowhere)),
        ("use_case_not_found", lambda c: definitions(c).update(nowhere, description="")),
        ("use_case_not_found", lambda c: definitions(c).delete(nowhere)),
        ("use_case_not_found", lambda c: definitions(c).version.increment(nowhere)),
        ("use_case_not_found", lambda c: definitions(c).kpis.list(nowhere)),
        ("use_case_not_found", lambda c: c.use_cases.create(nowhere)),
        ("kpi_not_found", lambda c: definitions(c).kpis.retrieve("No such", use_case_name=use_case)),
        ("kpi_not_found", lambda c: definitions(c).kpis.update("No such", use_case_name=use_case, goal=1)),
        ("kpi_not_found", lambda c: definitions(c).kpis.delete("No such", use_case_name=use_case)),
        ("kpi_not_found", lambda c: dialect.score(c, use_case, instance, "No such", 1)),
        ("use_case_instance_not_found", lambda c: dialect.instance(c, use_case, nowhere)),
        ("use_case_instance_not_found", lambda c: dialect.delete_instance(c, use_case, nowhere)),
        ("use_case_instance_not_found", lambda c: dialect.scores(c, use_case, nowhere)),
    ]:
        refused("NotFoundError", code, act)


def test_bad_input_is_a_bad_request_error_that_names_what_is_wrong(dialect, refused, use_case, mood):
    kpi, instance = mood
    too_old = {"extra_body": {"timestamp": "1999-01-01T00:00:00Z"}}
    for code, named, act in [
        ("score_out_of_range", "9", lambda c: dialect.score(c, use_case, instance, kpi, 9)),
        ("invalid_request", "abc", lambda c: dialect.score(c, use_case, instance, kpi, "abc")),
        ("invalid_timestamp", "1999", lambda c: dialect.score(c, use_case, instance, kpi, 3, **too_old)),
        ("invalid_use_case_name", "no spaces", lambda c: c.use_cases.definitions.create(name="no spaces", description="")),
        ("invalid_kpi_name", "a/b", lambda c: dialect.define_kpi(c, use_case, "a/b", "number", 1)),
        ("goal_out_of_range", "6", lambda c: dialect.define_kpi(c, use_case, "Other", "likert5", 6)),
        ("invalid_request", "likert6", lambda c: dialect.define_kpi(c, use_case, "Other", "likert6", 3)),
        ("invalid_request", "501", lambda c: c.use_cases.definitions.list(limit=501)),
    ]:
        caught = refused("BadRequestError", code, act)
        assert named in caught.body["message"], caught.body["message"]


def test_a_made_up_cursor_is_refused_by_its_value(refused):
    caught = refused("BadRequestError", "invalid_cursor", lambda c: c.use_cases.definitions.list(cursor="made-up"))
    assert "cursor" in caught.body["message"] and "made-up" in caught.body["message"], caught.body["message"]


def test_a_misspelt_score_deletes_nothing(dialect, client, refused, use_case, mood):
    kpi, instance = mood
    dialect.score(client, use_case, instance, kpi, 4)
    where = dialect.where(use_case, instance)
    refused("BadRequestError", "invalid_request", lambda c: c.use_cases.kpis.update(kpi, **where, extra_body={"scor": 5}))
    assert [item.score for item in dialect.scores(client, use_case, instance)] == [4]


def test_a_conflict_is_a_conflict_error_and_changes_nothing(dialect, client, refused, use_case, mood):
    """The SDKs retry a 409 unless they are told not to."""
    kpi, instance = mood
    refused("ConflictError", "kpi_already_exists", lambda c: dialect.define_kpi(c, use_case, "Mood", "boolean", 0.5))
    dialect.score(client, use_case, instance, kpi, 4)
    changed = {"use_case_name": use_case, "extra_body": {"kpi_type": "boolean", "goal": 0.5}}
    refused("ConflictError", "scores_incompatible", lambda c: definitions(c).kpis.update(kpi, **changed))
    read = client.use_cases.definitions.kpis.retrieve(kpi, use_case_name=use_case)
    assert (read.kpi_type, read.goal) == ("likert5", 3)

    other = f"{use_case}-other"
    client.use_cases.definitions.create(name=other, description="")
    taken = {"extra_body": {"use_case_id": instance}}
    refused("ConflictError", "instance_in_other_use_case", lambda c: c.use_cases.create(other, **taken))


def test_a_wrong_key_is_an_authentication_error(dialect, url):
    for wrong in ("ekpi_wrong", "x", "sk-" + "0" * 200):
        with dialect.Client(base_url=url, api_key=wrong) as client:
            with pytest.raises(dialect.package.AuthenticationError) as caught:
                client.use_cases.definitions.retrieve("T")
        check(caught, "AuthenticationError", "invalid_api_key")


def test_a_read_key_reads_and_gets_a_permission_denied_error_for_every_write(dialect, url, client, role_key, use_case, mood):
    kpi, instance = mood
    dialect.score(client, use_case, instance, kpi, 4)
    with dialect.Client(base_url=url, api_key=role_key("read"), max_retries=0) as reader:
        assert reader.use_cases.definitions.retrieve(use_case).name == use_case
        assert [item.score for item in dialect.scores(reader, use_case, instance)] == [4]
        assert reader.get(f"/api/v1/dashboard/{use_case}", cast_to=object)["use_cases"]["total"] == 1
        for act in [
            lambda: reader.use_cases.definitions.create(name=f"{use_case}-new", description=""),
            lambda: reader.use_cases.definitions.update(use_case, description="changed"),
            lambda: reader.use_cases.definitions.version.increment(use_case),
            lambda: reader.use_cases.definitions.delete(use_case),
            lambda: dialect.define_kpi(reader, use_case, "New", "number", 1),
            lambda: reader.use_cases.create(use_case),
            lambda: dialect.set_properties(reader, use_case, instance, {"region": "eu"}),
            lambda: dialect.score(reader, use_case, instance, kpi, 1),
            lambda: dialect.clear(reader, use_case, instance, kpi),
            lambda: dialect.delete_instance(reader, use_case, instance),
        ]:
            with pytest.raises(dialect.package.PermissionDeniedError) as caught:
                act()
            check(caught, "PermissionDeniedError", "forbidden")
    assert [item.score for item in dialect.scores(client, use_case, instance)] == [4]


def test_an_ingest_key_records_but_defines_nothing_and_sees_no_dashboard(dialect, url, role_key, use_case, mood):
    kpi, instance = mood
    with dialect.Client(base_url=url, api_key=role_key("ingest"), max_retries=0) as ingest:
        dialect.score(ingest, use_case, ingest.use_cases.create(use_case).use_case_id, kpi, 4)
        for act in [
            lambda: dialect.define_kpi(ingest, use_case, "New", "number", 1),
            lambda: ingest.get(f"/api/v1/dashboard/{use_case}", cast_to=object),
        ]:
            with pytest.raises(dialect.package.PermissionDeniedError) as caught:
                act()
            check(caught, "PermissionDeniedError", "forbidden")


def test_an_editor_key_is_enough_for_start_up_code(dialect, url, role_key, use_case):
    with dialect.Client(base_url=url, api_key=role_key("editor"), max_retries=0) as client:
        client.use_cases.definitions.create(name=use_case, description="")
        kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
        dialect.score(client, use_case, client.use_cases.create(use_case).use_case_id, kpi, 4)


def test_another_application_sees_nothing(dialect, url, stranger_key, use_case, mood):
    kpi, instance = mood
    with dialect.Client(base_url=url, api_key=stranger_key, max_retries=0) as stranger:
        assert use_case not in [item.name for item in stranger.use_cases.definitions.list()]
        for act in [
            lambda: stranger.use_cases.definitions.retrieve(use_case),
            lambda: dialect.instance(stranger, use_case, instance),
            lambda: dialect.score(stranger, use_case, instance, kpi, 1),
            lambda: stranger.get(f"/api/v1/dashboard/{use_case}", cast_to=object),
        ]:
            with pytest.raises(dialect.package.NotFoundError):
                act()


def test_what_the_product_does_not_do_says_so_and_is_not_retried(dialect, refused):
    units = {"text": {"input": 1, "output": 1}}
    # What the oldest SDK asks for beyond that.
    resource = {"resource": "m-1"} if dialect.name == "G1" else {}
    for act in [
        lambda c: c.categories.list(),
        lambda c: c.categories.list_resources("category.one"),
        lambda c: c.limits.list(),
        lambda c: c.limits.create(limit_name="l", max=5),
        lambda c: c.limits.retrieve("l"),
        lambda c: c.limits.delete("l"),
        lambda c: c.limits.reset("l"),
        lambda c: c.ingest.bulk(events=[]),
        lambda c: c.ingest.units(category="category.one", units=units, **resource),
    ]:
        refused("InternalServerError", "not_supported", act)


def test_a_spending_limit_says_why_not(dialect, refused, use_case):
    for act in [
        lambda c: definitions(c).limit_config.create(use_case, max=5),
        lambda c: definitions(c).limit_config.delete(use_case),
        lambda c: definitions(c).create(name=use_case, description="", limit_config={"max": 5}),
    ]:
        refused("InternalServerError", "limits_not_supported", act)
    refused("NotFoundError", "use_case_not_found", lambda c: definitions(c).retrieve(use_case))


def test_the_async_client_raises_the_same(dialect, async_client, url, use_case):
    async def flow():
        async with async_client() as client:
            with pytest.raises(dialect.package.NotFoundError) as caught:
                await client.use_cases.definitions.retrieve(f"nowhere-{uuid.uuid4().hex}")
            check(caught, "NotFoundError", "use_case_not_found")
            with pytest.raises(dialect.package.BadRequestError) as caught:
                await client.use_cases.definitions.create(name="no spaces", description="")
            check(caught, "BadRequestError", "invalid_use_case_name")
            with pytest.raises(dialect.package.InternalServerError) as caught:
                await client.use_cases.definitions.limit_config.create(use_case, max=5)
            check(caught, "InternalServerError", "limits_not_supported")

    asyncio.run(flow())
