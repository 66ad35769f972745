"""The flows of three GenAI teams, through the SDK as published; the dashboard has to show what was recorded, to the number."""

import pytest

from recount import check_kpi, close, percentage, same_percentage


def test_a_chat_bot_records_deflection_and_satisfaction(dialect, client, use_case, dashboard):
    client.use_cases.definitions.create(name=use_case, description="Answers customers")
    deflection = dialect.kpi_key(dialect.define_kpi(client, use_case, "Deflection Rate", "boolean", 0.25))
    satisfaction = dialect.kpi_key(dialect.define_kpi(client, use_case, "User Satisfaction", "likert5", 3.5))
    sessions, deflected, ratings = 15, [], []
    for n in range(sessions):
        session = client.use_cases.create(use_case).use_case_id
        if n < 12:
            deflected.append(n % 3 == 0)
            dialect.score(client, use_case, session, deflection, deflected[-1])
        if n % 2 == 0:
            ratings.append([1, 5, 4, 4.5, 2, 5, 3, 4][n // 2])
            dialect.score(client, use_case, session, satisfaction, ratings[-1])

    shown = dashboard(use_case)
    # Twelve sessions have the first KPI; of the three that don't, those numbered 12 and 14 have the second.
    reviewed = shown["use_cases"]
    assert (reviewed["total"], reviewed["reviewed"]) == (15, 14)
    assert same_percentage(reviewed["reviewed_percentage"], percentage(14, 15))
    check_kpi(shown["by_name"]["Deflection Rate"], deflected, 0.25, sessions)
    check_kpi(shown["by_name"]["User Satisfaction"], ratings, 3.5, sessions)
    assert shown["by_name"]["Deflection Rate"]["display"] == "33.33% True (Goal: 25.00%)"
    assert shown["by_name"]["User Satisfaction"]["display"] == "3.56 / 5.00 (Goal: 3.50)"
    assert [kpi["kpi_name"] for kpi in shown["kpis"]] == ["Deflection Rate", "User Satisfaction"]


def test_an_image_ad_records_clicks_and_what_they_are_worth(dialect, client, use_case, dashboard):
    # Start-up code that begins with a KPI: the use case type comes with it.
    clicks = dialect.kpi_key(dialect.define_kpi(client, use_case, "Clickthrough Rate", "boolean", 0.05))
    closes = dialect.kpi_key(dialect.define_kpi(client, use_case, "Close Rate", "boolean", 0.01))
    value = dialect.kpi_key(
        dialect.define_kpi(client, use_case, "Conversion $ Value", "number", 10, extra_body={"unit": "$"})
    )
    happy = dialect.kpi_key(dialect.define_kpi(client, use_case, "Customer Satisfaction", "likert5", 3.5))
    assert client.use_cases.definitions.retrieve(use_case).type_version == 1
    clicked, closed, values, ratings = [], [], [], []
    for n in range(20):
        ad = client.use_cases.create(use_case).use_case_id
        clicked.append(n % 7 == 0)
        closed.append(n == 7)
        dialect.score(client, use_case, ad, clicks, clicked[-1])
        dialect.score(client, use_case, ad, closes, closed[-1])
        if clicked[-1]:
            values.append([7.25, -3.1, 42.99][n // 7])
            dialect.score(client, use_case, ad, value, values[-1])
            ratings.append([4, 1, 4.5][n // 7])
            dialect.score(client, use_case, ad, happy, ratings[-1])

    by_name = dashboard(use_case)["by_name"]
    check_kpi(by_name["Clickthrough Rate"], clicked, 0.05, 20)
    check_kpi(by_name["Close Rate"], closed, 0.01, 20)
    check_kpi(by_name["Conversion $ Value"], values, 10, 20)
    check_kpi(by_name["Customer Satisfaction"], ratings, 3.5, 20)
    assert by_name["Clickthrough Rate"]["display"] == "15.00% True (Goal: 5.00%)"
    assert by_name["Close Rate"]["display"] == "5.00% True (Goal: 1.00%)"
    assert by_name["Conversion $ Value"]["display"] == "$15.71 (Goal: $10.00)"
    assert by_name["Conversion $ Value"]["unit"] == "$"
    # 4.5 falls to the point 5: halves go up.
    buckets = by_name["Customer Satisfaction"]["distribution"]["buckets"]
    assert [bucket["count"] for bucket in buckets] == [1, 0, 0, 1, 1]


@pytest.fixture
def two_models(dialect, client, use_case):
    """A content generator that changed its model, and its version with it: the scores by model."""
    quality = dialect.kpi_key(dialect.define_kpi(client, use_case, "Response Quality", "likert5", 4.0))
    scores = {"m-1": [3, 3.5, 2], "m-2": [5, 4, 4.5, 5]}
    for version, (model, recorded) in enumerate(scores.items(), start=1):
        if version > 1:
            assert client.use_cases.definitions.version.increment(use_case).type_version == version
        for score in recorded:
            made = client.use_cases.create(use_case)
            assert made.type_version == version
            answered = dialect.set_properties(client, use_case, made.use_case_id, {"model_version": model, "region": "eu"})
            assert (answered.use_case_id, answered.type_version) == (made.use_case_id, version)
            dialect.score(client, use_case, made.use_case_id, quality, score)
    return scores


def test_a_content_generator_records_quality_over_two_versions(two_models, use_case, dashboard):
    shown = dashboard(use_case)
    assert shown["type_version"] == 2
    assert [(event["kind"], event["version"]) for event in shown["events"]] == [("version", 2)]
    check_kpi(shown["by_name"]["Response Quality"], two_models["m-1"] + two_models["m-2"], 4.0, 7)
    assert shown["by_name"]["Response Quality"]["display"] == "3.86 / 5.00 (Goal: 4.00)"
    for version, recorded in enumerate(two_models.values(), start=1):
        narrowed = dashboard(use_case, version=version)
        assert narrowed["filters"]["version"] == version
        assert narrowed["use_cases"]["total"] == len(recorded)
        check_kpi(narrowed["by_name"]["Response Quality"], recorded, 4.0, len(recorded))


def test_the_dashboard_follows_every_correction(dialect, client, use_case, dashboard):
    quality = dialect.kpi_key(dialect.define_kpi(client, use_case, "Response Quality", "likert5", 4.0))
    instances = [client.use_cases.create(use_case).use_case_id for _ in range(4)]
    for instance, score in zip(instances, (1, 2, 3, 4)):
        dialect.score(client, use_case, instance, quality, score)
    check_kpi(dashboard(use_case)["by_name"]["Response Quality"], [1, 2, 3, 4], 4.0, 4)

    dialect.score(client, use_case, instances[0], quality, 5)
    check_kpi(dashboard(use_case)["by_name"]["Response Quality"], [5, 2, 3, 4], 4.0, 4)

    dialect.clear(client, use_case, instances[1], quality)
    shown = dashboard(use_case)
    check_kpi(shown["by_name"]["Response Quality"], [5, 3, 4], 4.0, 4)
    assert shown["use_cases"] == {"total": 4, "reviewed": 3, "reviewed_percentage": 75}

    dialect.delete_instance(client, use_case, instances[2])
    check_kpi(dashboard(use_case)["by_name"]["Response Quality"], [5, 4], 4.0, 3)

    client.use_cases.definitions.kpis.delete(quality, use_case_name=use_case)
    shown = dashboard(use_case)
    assert shown["kpis"] == []
    assert shown["use_cases"] == {"total": 3, "reviewed": 0, "reviewed_percentage": 0}


def test_a_use_case_without_scores_has_a_dashboard(dialect, client, use_case, dashboard):
    dialect.define_kpi(client, use_case, "Response Quality", "likert5", 4.0)
    client.use_cases.create(use_case)
    shown = dashboard(use_case)
    assert shown["use_cases"] == {"total": 1, "reviewed": 0, "reviewed_percentage": 0}
    kpi = shown["by_name"]["Response Quality"]
    assert (kpi["count"], kpi["average"], kpi["reviewed"]["count"]) == (0, None, 0)


def test_the_summary_of_the_application_names_the_use_case(dialect, client, use_case):
    deflection = dialect.kpi_key(dialect.define_kpi(client, use_case, "Deflection Rate", "boolean", 0.25))
    for score in (True, False, False):
        dialect.score(client, use_case, client.use_cases.create(use_case).use_case_id, deflection, score)
    items, cursor = [], None
    while True:
        page = client.get("/api/v1/dashboard", cast_to=object, options={"params": {"cursor": cursor} if cursor else {}})
        items += page["items"]
        cursor = page.get("cursor")
        if not cursor:
            break
    [mine] = [item for item in items if item["use_case_name"] == use_case]
    assert mine["use_cases"]["total"] == 3
    [kpi] = mine["kpis"]
    assert kpi["count"] == 3
    assert close(kpi["average"], 1 / 3)
