"""The asynchronous client, raw answers, the settings a client comes with, and what its retries do to the figures."""

import asyncio
import datetime

import httpx
import pytest

from recount import check_kpi


def test_base_url_and_key_are_all_the_settings_there_are(dialect, url, key, use_case, monkeypatch):
    monkeypatch.setenv(f"{dialect.variables}_BASE_URL", url)
    monkeypatch.setenv(f"{dialect.variables}_API_KEY", key)
    with dialect.Client() as client:
        assert client.use_cases.definitions.create(name=use_case, description="").name == use_case


def test_the_package_under_test_is_the_published_version(dialect):
    assert dialect.package.__version__.replace("-alpha.", "a") == dialect.version


def test_the_key_works_as_a_bearer_token_too(dialect, url, key, use_case):
    def as_bearer(request):
        request.headers["Authorization"] = f"Bearer {request.headers.pop('xProxy-api-key')}"

    with httpx.Client(base_url=url, timeout=60, event_hooks={"request": [as_bearer]}) as http:
        client = dialect.Client(base_url=url, api_key=key, max_retries=0, http_client=http)
        assert client.use_cases.definitions.create(name=use_case, description="").name == use_case


def test_the_async_client_records_at_once_what_the_dashboard_shows(dialect, async_client, use_case, dashboard):
    scores = [n % 7 + 1 for n in range(20)]

    async def flow():
        async with async_client() as client:
            await client.use_cases.definitions.create(name=use_case, description="async")
            kpi = dialect.kpi_key(await dialect.define_kpi(client, use_case, "Mood", "likert7", 3.0))
            made = await asyncio.gather(*(client.use_cases.create(use_case) for _ in scores))
            assert len({instance.use_case_id for instance in made}) == len(scores)
            await asyncio.gather(
                *(dialect.score(client, use_case, instance.use_case_id, kpi, score) for instance, score in zip(made, scores))
            )

    asyncio.run(flow())
    check_kpi(dashboard(use_case)["by_name"]["Mood"], scores, 3.0, 20)


def test_the_async_client_pages_reads_changes_and_deletes(dialect, async_client, use_case):
    async def flow():
        async with async_client() as client:
            kpis = [await dialect.define_kpi(client, use_case, f"K{n}", "number", 1) for n in range(5)]
            instance = (await client.use_cases.create(use_case)).use_case_id
            for n, kpi in enumerate(kpis):
                await dialect.score(client, use_case, instance, dialect.kpi_key(kpi), n)
            await dialect.clear(client, use_case, instance, dialect.kpi_key(kpis[0]))
            scores = [(item.kpi_name, item.score) async for item in dialect.scores(client, use_case, instance, limit=2)]
            assert scores == [("K1", 1), ("K2", 2), ("K3", 3), ("K4", 4)]

            resource = client.use_cases.definitions.kpis
            assert (await resource.update(dialect.kpi_key(kpis[1]), use_case_name=use_case, goal=7)).goal == 7
            assert (await resource.retrieve(dialect.kpi_key(kpis[1]), use_case_name=use_case)).goal == 7
            await resource.delete(dialect.kpi_key(kpis[4]), use_case_name=use_case)
            assert [item.name async for item in resource.list(use_case, limit=2)] == ["K0", "K1", "K2", "K3"]

            assert (await dialect.set_properties(client, use_case, instance, {"region": "eu"})).use_case_id == instance
            assert (await client.use_cases.definitions.version.increment(use_case)).type_version == 2
            assert (await dialect.instance(client, use_case, instance)).type_version == 1
            await dialect.delete_instance(client, use_case, instance)
            with pytest.raises(dialect.package.NotFoundError) as caught:
                await dialect.instance(client, use_case, instance)
            assert caught.value.body["xproxy_error"]["code"] == "use_case_instance_not_found"

    asyncio.run(flow())


def test_raw_answers_carry_status_request_id_and_the_parsed_model(dialect, client, use_case):
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    raw = client.use_cases.with_raw_response.create(use_case)
    assert raw.http_response.status_code in (200, 201)
    assert raw.headers["x-request-id"]
    assert raw.headers["content-type"].startswith("application/json")
    instance = raw.parse().use_case_id

    written = client.use_cases.kpis.with_raw_response.update(kpi, score=4, **dialect.where(use_case, instance))
    assert written.http_response.status_code == 204
    assert written.http_response.content == b""
    assert written.headers["x-request-id"] != raw.headers["x-request-id"]

    # The id in the body is the one in the header, so that either can be quoted.
    read = client.use_cases.definitions.with_raw_response.retrieve(use_case)
    assert read.parse().request_id == read.headers["x-request-id"]


def test_streamed_answers_parse(dialect, client, use_case):
    client.use_cases.definitions.create(name=use_case, description="streamed")
    with client.use_cases.definitions.with_streaming_response.retrieve(use_case) as answer:
        assert answer.parse().description == "streamed"


def test_what_the_service_knows_beyond_the_sdk_goes_in_extra_fields(dialect, client, use_case, dashboard):
    """Timestamps, comments and sources are no arguments of these SDKs; extra_body is their way to send them."""
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    instance = client.use_cases.create(use_case).use_case_id
    extra = {"timestamp": "2024-02-29T12:30:00Z", "comment": "leap day", "source": "survey"}
    dialect.score(client, use_case, instance, kpi, 4, extra_body=extra)
    [item] = dialect.scores(client, use_case, instance)
    # What the model doesn't name, it keeps as it came.
    assert (item.comment, item.source, item.timestamp) == ("leap day", "survey", "2024-02-29T12:30:00.000Z")
    narrowed = {"from": "2024-02-29", "to": "2024-03-01", "granularity": "day"}
    [day] = dashboard(use_case, **narrowed)["by_name"]["Mood"]["series"]
    assert (day["count"], day["average"]) == (1, 4)
    assert item.create_timestamp > datetime.datetime(2024, 3, 1, tzinfo=datetime.timezone.utc)


def test_a_header_chooses_the_version_of_a_new_instance(dialect, client, use_case):
    client.use_cases.definitions.create(name=use_case, description="")
    client.use_cases.definitions.version.increment(use_case)
    chosen = client.use_cases.create(use_case, extra_headers={"xProxy-UseCase-Version": "1"})
    assert chosen.type_version == 1
    assert client.use_cases.create(use_case).type_version == 2


def test_a_score_whose_answer_was_lost_counts_once(dialect, watched, use_case, dashboard):
    client, transport = watched
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    instances = [client.use_cases.create(use_case).use_case_id for _ in range(2)]
    transport.sent.clear()
    for instance, score in zip(instances, (2, 5)):
        transport.answers_to_lose = 1
        dialect.score(client, use_case, instance, kpi, score)
    assert len(transport.sent) == 4, "each score was sent twice"
    check_kpi(dashboard(use_case)["by_name"]["Mood"], [2, 5], 3, 2)


def test_an_instance_whose_answer_was_lost_is_made_once(dialect, watched, use_case, dashboard):
    client, transport = watched
    client.use_cases.definitions.create(name=use_case, description="")
    transport.sent.clear()
    transport.answers_to_lose = 1
    made = client.use_cases.create(use_case, extra_headers={"Idempotency-Key": use_case})
    assert len(transport.sent) == 2
    assert dashboard(use_case)["use_cases"]["total"] == 1
    assert dialect.instance(client, use_case, made.use_case_id).use_case_id == made.use_case_id
