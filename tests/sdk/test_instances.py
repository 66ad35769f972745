"""Use case instances, their properties and their scores."""

import datetime

import pytest

from recount import recent


@pytest.fixture
def five(dialect, client, use_case):
    """Five KPIs that take any number, and an instance to score."""
    keys = [dialect.kpi_key(dialect.define_kpi(client, use_case, f"K{n}", "number", 1)) for n in range(5)]
    return keys, client.use_cases.create(use_case).use_case_id


def recorded(dialect, client, use_case, instance, **options):
    return [(item.kpi_name, item.score) for item in dialect.scores(client, use_case, instance, **options)]


def test_an_instance_is_made_read_and_deleted(dialect, client, use_case):
    client.use_cases.definitions.create(name=use_case, description="")
    made = client.use_cases.create(use_case)
    assert made.use_case_id.startswith("uc_")
    assert (made.type_version, made.limit_id, made.use_case_name) == (1, None, use_case)
    assert client.use_cases.create(use_case).use_case_id != made.use_case_id
    for act in (dialect.instance, dialect.delete_instance):
        answer = act(client, use_case, made.use_case_id)
        assert (answer.use_case_id, answer.use_case_name, answer.type_version) == (made.use_case_id, use_case, 1)
    with pytest.raises(dialect.package.NotFoundError):
        dialect.instance(client, use_case, made.use_case_id)


def test_an_instance_keeps_the_version_that_it_was_made_with(dialect, client, use_case):
    client.use_cases.definitions.create(name=use_case, description="")
    first = client.use_cases.create(use_case)
    client.use_cases.definitions.version.increment(use_case)
    second = client.use_cases.create(use_case)
    assert (first.type_version, second.type_version) == (1, 2)
    assert dialect.instance(client, use_case, first.use_case_id).type_version == 1
    assert dialect.instance(client, use_case, second.use_case_id).type_version == 2


def test_an_id_of_the_clients_own_names_one_instance(dialect, client, use_case, dashboard):
    client.use_cases.definitions.create(name=use_case, description="")
    wanted = f"user:{use_case}@eu+1="
    # Only the newest SDK has an argument for it, which it sends in the query.
    own = {"use_case_id": wanted} if dialect.name == "G4" else {"extra_body": {"use_case_id": wanted}}
    assert [client.use_cases.create(use_case, **own).use_case_id for _ in range(2)] == [wanted] * 2
    assert dialect.instance(client, use_case, wanted).use_case_id == wanted
    assert dashboard(use_case)["use_cases"]["total"] == 1


def test_a_score_for_an_unknown_instance_makes_it_where_the_path_names_the_use_case(dialect, client, use_case, dashboard):
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    unknown = f"session-{use_case}"
    if dialect.names_type:
        dialect.score(client, use_case, unknown, kpi, 4)
        assert dialect.instance(client, use_case, unknown).type_version == 1
        assert dialect.set_properties(client, use_case, f"{unknown}-2", {"region": "eu"}).use_case_id == f"{unknown}-2"
        assert dashboard(use_case)["use_cases"] == {"total": 2, "reviewed": 1, "reviewed_percentage": 50}
    else:
        for write in (
            lambda: dialect.score(client, use_case, unknown, kpi, 4),
            lambda: dialect.set_properties(client, use_case, unknown, {"region": "eu"}),
        ):
            with pytest.raises(dialect.package.NotFoundError) as caught:
                write()
            assert caught.value.body["xproxy_error"]["code"] == "use_case_instance_not_found"
        assert dashboard(use_case)["use_cases"]["total"] == 0


def test_properties_add_up_and_are_removed_by_none(dialect, client, use_case):
    client.use_cases.definitions.create(name=use_case, description="")
    made = client.use_cases.create(use_case)
    assert made.properties == {}
    instance = made.use_case_id
    dialect.set_properties(client, use_case, instance, {"model_version": "m-1", "region": "eu"})
    changed = dialect.set_properties(client, use_case, instance, {"model_version": "m-2"})
    assert changed.properties == {"model_version": "m-2", "region": "eu"}
    # The oldest SDK's type hints know texts only; what is sent is the same.
    removed = dialect.set_properties(client, use_case, instance, {"region": None})
    assert removed.properties == {"model_version": "m-2"}
    assert dialect.instance(client, use_case, instance).properties == {"model_version": "m-2"}


def test_scores_are_listed_over_several_pages(dialect, client, use_case, five):
    keys, instance = five
    for n, kpi in enumerate(keys):
        dialect.score(client, use_case, instance, kpi, n + 0.5)
    expected = [(f"K{n}", n + 0.5) for n in range(5)]
    for limit in (1, 2, 5, 500):
        assert recorded(dialect, client, use_case, instance, limit=limit) == expected
    assert recorded(dialect, client, use_case, instance, limit=2, sort_ascending=False) == expected[::-1]
    only = {"kpi_id": keys[3]} if dialect.name == "G4" else {"kpi_name": keys[3]}
    assert recorded(dialect, client, use_case, instance, **only) == [("K3", 3.5)]


def test_a_score_is_typed(dialect, client, use_case):
    kpi = dialect.define_kpi(client, use_case, "Deflection Rate", "boolean", 0.25)
    instance = client.use_cases.create(use_case).use_case_id
    dialect.score(client, use_case, instance, dialect.kpi_key(kpi), True)
    [item] = dialect.scores(client, use_case, instance)
    assert (item.kpi_name, item.kpi_id, item.kpi_type, item.score) == ("Deflection Rate", kpi.kpi_id, "boolean", 1)
    assert recent(item.create_timestamp) and recent(item.update_timestamp)
    dialect.score(client, use_case, instance, dialect.kpi_key(kpi), False)
    [again] = dialect.scores(client, use_case, instance)
    assert again.score == 0
    assert again.create_timestamp == item.create_timestamp
    assert again.update_timestamp >= item.update_timestamp
    assert again.create_timestamp.utcoffset() == datetime.timedelta(0)


def test_a_score_is_replaced_and_taken_back(dialect, client, use_case, five, dashboard):
    keys, instance = five
    for n, kpi in enumerate(keys):
        dialect.score(client, use_case, instance, kpi, n + 0.5)
    dialect.score(client, use_case, instance, keys[0], 100)
    dialect.clear(client, use_case, instance, keys[1])
    # A call without a score sends an empty body, which clears too.
    client.use_cases.kpis.update(keys[3], **dialect.where(use_case, instance))
    assert recorded(dialect, client, use_case, instance) == [("K0", 100), ("K2", 2.5), ("K4", 4.5)]
    dialect.clear(client, use_case, instance, keys[1])  # nothing there any more: no error
    by_name = dashboard(use_case)["by_name"]
    assert [by_name[f"K{n}"]["average"] for n in range(5)] == [100, None, 2.5, None, 4.5]
    dialect.score(client, use_case, instance, keys[1], 7)
    assert dashboard(use_case)["by_name"]["K1"]["average"] == 7


@pytest.mark.parametrize("score", [0, -1e15, 1e15, 0.1, 1e-9, 123456789.123456789])
def test_numbers_come_back_as_they_were_sent(dialect, client, use_case, score):
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Value", "number", 1))
    instance = client.use_cases.create(use_case).use_case_id
    dialect.score(client, use_case, instance, kpi, score)
    assert [item.score for item in dialect.scores(client, use_case, instance)] == [score]


def test_a_number_is_incremented_beyond_the_sdk(dialect, client, use_case):
    """No generation has a method for it: the generic call does."""
    dialect.define_kpi(client, use_case, "Items", "number", 10)
    instance = client.use_cases.create(use_case).use_case_id
    path = f"/api/v1/use_cases/instances/{use_case}/{instance}/kpis/Items/increment"
    assert [client.post(path, cast_to=object, body={"by": by})["score"] for by in (2, 0.5, -1)] == [2, 2.5, 1.5]


def test_the_oldest_sdk_creates_and_deletes_scores_and_newer_ones_have_no_such_methods(dialect, client, use_case, five):
    keys, instance = five
    resource = client.use_cases.kpis
    if dialect.name == "G1":
        resource.create(keys[0], use_case_id=instance, score=3)
        resource.create(keys[0], use_case_id=instance, score=4)
        assert recorded(dialect, client, use_case, instance) == [("K0", 4)]
        resource.create(keys[0], use_case_id=instance)  # no score: an empty body clears
        assert recorded(dialect, client, use_case, instance) == []
        resource.create(keys[1], use_case_id=instance, score=5)
        resource.delete(keys[1], use_case_id=instance)
        assert recorded(dialect, client, use_case, instance) == []
    else:
        assert not hasattr(resource, "create") and not hasattr(resource, "delete")
