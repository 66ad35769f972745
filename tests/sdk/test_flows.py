"""The flows of a GenAI team, through the SDK as published; what was recorded is then read from the dashboard."""

import asyncio
import datetime

import pytest


def close(a, b):
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def test_a_chat_bot_records_deflection_and_satisfaction(dialect, client, use_case, dashboard):
    client.use_cases.definitions.create(name=use_case, description="Answers customers")
    deflection = dialect.kpi_key(dialect.define_kpi(client, use_case, "Deflection Rate", "boolean", 0.25))
    satisfaction = dialect.kpi_key(dialect.define_kpi(client, use_case, "User Satisfaction", "likert5", 3.5))
    deflected, ratings = [], []
    for n in range(12):
        session = client.use_cases.create(use_case).use_case_id
        deflected.append(n % 3 == 0)
        # The oldest SDK knows numbers only.
        dialect.score(client, use_case, session, deflection, float(deflected[-1]) if dialect.name == "G1" else deflected[-1])
        if n % 2 == 0:
            ratings.append(1 + n % 5)
            dialect.score(client, use_case, session, satisfaction, ratings[-1])
    shown = dashboard(use_case)
    assert shown["use_cases"] == {"total": 12, "reviewed": 12, "reviewed_percentage": 100}
    assert shown["by_name"]["Deflection Rate"]["count"] == 12
    assert close(shown["by_name"]["Deflection Rate"]["average"], sum(deflected) / 12)
    assert shown["by_name"]["Deflection Rate"]["goal_met"] is True
    assert shown["by_name"]["User Satisfaction"]["reviewed"] == {"count": 6, "percentage": 50}
    assert close(shown["by_name"]["User Satisfaction"]["average"], sum(ratings) / 6)


def test_an_image_ad_records_clicks_and_what_they_are_worth(dialect, client, use_case, dashboard):
    clicks = dialect.kpi_key(dialect.define_kpi(client, use_case, "Clickthrough Rate", "boolean", 0.05))
    closes = dialect.kpi_key(dialect.define_kpi(client, use_case, "Close Rate", "boolean", 0.01))
    value = dialect.kpi_key(dialect.define_kpi(client, use_case, "Conversion $ Value", "number", 10))
    happy = dialect.kpi_key(dialect.define_kpi(client, use_case, "Customer Satisfaction", "likert5", 3.5))
    values = []
    for n in range(10):
        ad = client.use_cases.create(use_case).use_case_id
        dialect.score(client, use_case, ad, clicks, 1 if n < 3 else 0)
        dialect.score(client, use_case, ad, closes, 1 if n == 0 else 0)
        dialect.score(client, use_case, ad, happy, 4)
        if n < 3:
            values.append(7.25 * (n + 1))
            dialect.score(client, use_case, ad, value, values[-1])
    by_name = dashboard(use_case)["by_name"]
    assert close(by_name["Clickthrough Rate"]["average"], 0.3)
    assert by_name["Clickthrough Rate"]["display"] == "30.00% True (Goal: 5.00%)"
    assert close(by_name["Close Rate"]["average"], 0.1)
    assert close(by_name["Conversion $ Value"]["average"], sum(values) / 3)
    assert by_name["Conversion $ Value"]["maximum"] == max(values)
    assert by_name["Customer Satisfaction"]["distribution"]["buckets"][3] == {"point": 4, "count": 10}


def test_a_content_generator_keeps_its_model_as_a_property(dialect, client, use_case, dashboard):
    quality = dialect.kpi_key(dialect.define_kpi(client, use_case, "Response Quality", "likert5", 4.0))
    first = client.use_cases.create(use_case)
    assert first.type_version == 1
    answered = dialect.set_properties(client, use_case, first.use_case_id, {"model_version": "m-1", "region": "eu"})
    assert answered.use_case_id == first.use_case_id
    if dialect.name != "G1":  # it has no way to remove a property
        dialect.set_properties(client, use_case, first.use_case_id, {"region": None})
    raised = client.use_cases.definitions.version.increment(use_case)
    assert raised.type_version == 2
    second = client.use_cases.create(use_case)
    assert second.type_version == 2
    assert dialect.instance(client, use_case, first.use_case_id).type_version == 1
    dialect.score(client, use_case, first.use_case_id, quality, 3)
    dialect.score(client, use_case, second.use_case_id, quality, 5)
    shown = dashboard(use_case)
    assert shown["type_version"] == 2
    assert [event["version"] for event in shown["events"]] == [2]
    assert shown["by_name"]["Response Quality"]["average"] == 4


def test_definitions_are_listed_over_several_pages_read_changed_and_deleted(dialect, client, use_case):
    for n in range(5):
        made = client.use_cases.definitions.create(name=f"{use_case}-{n}", description=f"number {n}", logging_enabled=False)
        assert (made.name, made.description, made.type_version, made.logging_enabled) == (f"{use_case}-{n}", f"number {n}", 1, False)
        assert made.request_id
    names = [item.name for item in client.use_cases.definitions.list(limit=2)]
    assert [name for name in names if name.startswith(use_case)] == [f"{use_case}-{n}" for n in range(5)]
    only = [item.name for item in client.use_cases.definitions.list(use_case_name=f"{use_case}-3")]
    assert only == [f"{use_case}-3"]
    changed = client.use_cases.definitions.update(f"{use_case}-1", description="changed")
    assert changed.description == "changed"
    assert client.use_cases.definitions.retrieve(f"{use_case}-1").description == "changed"
    assert client.use_cases.definitions.delete(f"{use_case}-1").name == f"{use_case}-1"
    with pytest.raises(dialect.package.NotFoundError):
        client.use_cases.definitions.retrieve(f"{use_case}-1")


def test_kpis_are_listed_over_several_pages_read_changed_and_deleted(dialect, client, use_case):
    kpis = client.use_cases.definitions.kpis
    made = [dialect.define_kpi(client, use_case, f"KPI {n} 50%", "percentage", 0.5, f"number {n}") for n in range(5)]
    assert made[0].kpi_type == "percentage" and made[0].goal == 0.5 and made[0].request_id
    if dialect.names_type:
        assert isinstance(made[0].created_timestamp, datetime.datetime)
    listed = [item.name for item in kpis.list(use_case, limit=2)]
    assert listed == [f"KPI {n} 50%" for n in range(5)]
    changed = kpis.update(dialect.kpi_key(made[2]), use_case_name=use_case, goal=0.75, description="changed")
    assert (changed.goal, changed.description) == (0.75, "changed")
    assert kpis.retrieve(dialect.kpi_key(made[2]), use_case_name=use_case).goal == 0.75
    assert kpis.delete(dialect.kpi_key(made[4]), use_case_name=use_case).name == "KPI 4 50%"
    assert len(list(kpis.list(use_case))) == 4


def test_scores_are_listed_over_several_pages_replaced_and_cleared(dialect, client, use_case, dashboard):
    keys = [dialect.kpi_key(dialect.define_kpi(client, use_case, f"K{n}", "number", 1)) for n in range(5)]
    instance = client.use_cases.create(use_case).use_case_id
    for n, kpi in enumerate(keys):
        dialect.score(client, use_case, instance, kpi, n + 0.5)
    dialect.score(client, use_case, instance, keys[0], 100)
    items = list(dialect.scores(client, use_case, instance, limit=2))
    assert [(item.kpi_name, item.score) for item in items] == [("K0", 100), ("K1", 1.5), ("K2", 2.5), ("K3", 3.5), ("K4", 4.5)]
    assert items[0].kpi_type == "number"
    assert isinstance(items[0].create_timestamp, datetime.datetime)
    if dialect.name == "G1":
        client.use_cases.kpis.delete(keys[1], use_case_id=instance)
        client.use_cases.kpis.create(keys[2], use_case_id=instance, score=7)
        client.use_cases.kpis.update(keys[3], use_case_id=instance)  # an empty body clears
    else:
        dialect.score(client, use_case, instance, keys[1], None)
        dialect.score(client, use_case, instance, keys[2], 7)
        client.use_cases.kpis.update(keys[3], **dialect.where(use_case, instance))
    assert [item.kpi_name for item in dialect.scores(client, use_case, instance)] == ["K0", "K2", "K4"]
    by_name = dashboard(use_case)["by_name"]
    assert [by_name[f"K{n}"]["average"] for n in range(5)] == [100, None, 7, None, 4.5]
    gone = dialect.delete_instance(client, use_case, instance)
    assert gone.use_case_id == instance
    assert dashboard(use_case)["use_cases"]["total"] == 0


def test_the_async_client_does_the_same(dialect, url, key, use_case, dashboard):
    async def flow():
        async with dialect.async_client(url, key, max_retries=0) as client:
            await client.use_cases.definitions.create(name=use_case, description="async")
            naming = {"kpi_name": "Mood"} if dialect.name == "G4" else {"name": "Mood"}
            kpi = await client.use_cases.definitions.kpis.create(use_case, description="", goal=3.0, kpi_type="likert7", **naming)
            instances = await asyncio.gather(*(client.use_cases.create(use_case) for _ in range(20)))
            await asyncio.gather(
                *(
                    client.use_cases.kpis.update(dialect.kpi_key(kpi), score=n % 7 + 1, **dialect.where(use_case, made.use_case_id))
                    for n, made in enumerate(instances)
                )
            )

    asyncio.run(flow())
    mood = dashboard(use_case)["by_name"]["Mood"]
    assert mood["count"] == 20
    assert close(mood["average"], sum(n % 7 + 1 for n in range(20)) / 20)
