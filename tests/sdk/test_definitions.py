"""Use case definitions and KPI definitions: created, listed over pages, read, changed and deleted."""

import datetime

import pytest

from recount import recent

# What a team may call a KPI; the first two generations put it into the path as it is.
NAMES = [
    "Conversion $ Value",
    "50% off accepted",
    "Under 100%",
    "%",
    "Größe & Qualität (1 of 2)",
    "a+b=c; d,e:f@g~h!i*j'k",
    "顧客満足度",
    'quoted "twice"',
]


def test_definitions_are_listed_over_several_pages_read_changed_and_deleted(dialect, client, use_case):
    definitions = client.use_cases.definitions
    for n in range(5):
        made = definitions.create(name=f"{use_case}-{n}", description=f"number {n}", logging_enabled=False)
        assert (made.name, made.description) == (f"{use_case}-{n}", f"number {n}")
        assert (made.type_version, made.logging_enabled) == (1, False)
        assert made.limit_config is None
        assert isinstance(made.request_id, str) and made.request_id
    items = [item for item in definitions.list(limit=2) if item.name.startswith(use_case)]
    assert [item.name for item in items] == [f"{use_case}-{n}" for n in range(5)]
    assert all(item.request_id and item.type_version == 1 for item in items)
    assert [item.name for item in definitions.list(use_case_name=f"{use_case}-3")] == [f"{use_case}-3"]

    changed = definitions.update(f"{use_case}-1", description="changed", logging_enabled=True)
    assert (changed.description, changed.logging_enabled) == ("changed", True)
    read = definitions.retrieve(f"{use_case}-1")
    assert (read.description, read.logging_enabled, read.type_version) == ("changed", True, 1)
    gone = definitions.delete(f"{use_case}-1")
    assert (gone.name, gone.description) == (f"{use_case}-1", "changed")
    with pytest.raises(dialect.package.NotFoundError):
        definitions.retrieve(f"{use_case}-1")


def test_only_incrementing_raises_the_version(dialect, client, use_case):
    definitions = client.use_cases.definitions
    definitions.create(name=use_case, description="")
    assert [definitions.version.increment(use_case).type_version for _ in range(3)] == [2, 3, 4]
    definitions.update(use_case, description="changed")
    dialect.define_kpi(client, use_case, "Mood", "likert5", 3)
    assert definitions.retrieve(use_case).type_version == 4


def test_start_up_code_may_always_create(dialect, client, use_case):
    """The second start finds what the first one made, and what was edited in between."""
    first = client.use_cases.definitions.create(name=use_case, description="first")
    kpi = dialect.define_kpi(client, use_case, "Mood", "likert5", 3)
    client.use_cases.definitions.kpis.update(dialect.kpi_key(kpi), use_case_name=use_case, goal=4.5)
    client.use_cases.definitions.version.increment(use_case)

    again = client.use_cases.definitions.create(name=use_case, description="second")
    assert (again.description, again.type_version) == (first.description, 2)
    assert dialect.define_kpi(client, use_case, "Mood", "likert5", 3).goal == 4.5
    assert len(list(client.use_cases.definitions.kpis.list(use_case))) == 1


def test_a_deleted_name_is_free_and_holds_nothing_of_the_old(dialect, client, use_case, dashboard):
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, "Mood", "likert5", 3))
    dialect.score(client, use_case, client.use_cases.create(use_case).use_case_id, kpi, 5)
    client.use_cases.definitions.version.increment(use_case)
    client.use_cases.definitions.delete(use_case)
    assert client.use_cases.definitions.create(name=use_case, description="").type_version == 1
    assert list(client.use_cases.definitions.kpis.list(use_case)) == []
    shown = dashboard(use_case)
    assert (shown["use_cases"]["total"], shown["kpis"], shown["events"]) == (0, [], [])


def test_kpis_are_listed_over_several_pages_read_changed_and_deleted(dialect, client, use_case):
    kpis = client.use_cases.definitions.kpis
    made = [dialect.define_kpi(client, use_case, f"KPI {n} at 50%", "percentage", 0.5, f"number {n}") for n in range(5)]
    for n, kpi in enumerate(made):
        assert (kpi.name, kpi.kpi_type, kpi.goal, kpi.description) == (f"KPI {n} at 50%", "percentage", 0.5, f"number {n}")
        assert isinstance(kpi.request_id, str) and kpi.request_id
    items = list(kpis.list(use_case, limit=2))
    assert [item.name for item in items] == [f"KPI {n} at 50%" for n in range(5)]
    assert all(item.request_id and item.kpi_type == "percentage" for item in items)
    assert [item.name for item in kpis.list(use_case, **dialect.kpi_filter(made[3]))] == [made[3].name]

    changed = kpis.update(dialect.kpi_key(made[2]), use_case_name=use_case, goal=0.75, description="changed")
    assert (changed.goal, changed.description, changed.kpi_type) == (0.75, "changed", "percentage")
    read = kpis.retrieve(dialect.kpi_key(made[2]), use_case_name=use_case)
    assert (read.name, read.goal, read.description) == ("KPI 2 at 50%", 0.75, "changed")
    assert kpis.delete(dialect.kpi_key(made[4]), use_case_name=use_case).name == "KPI 4 at 50%"
    with pytest.raises(dialect.package.NotFoundError) as caught:
        kpis.retrieve(dialect.kpi_key(made[4]), use_case_name=use_case)
    assert caught.value.body["xproxy_error"]["code"] == "kpi_not_found"
    assert len(list(kpis.list(use_case))) == 4


def test_pages_are_as_long_as_asked_and_can_be_turned_by_hand(dialect, watched, use_case):
    client, transport = watched
    for n in range(5):
        dialect.define_kpi(client, use_case, f"K{n}", "number", 1)
    transport.sent.clear()
    page = client.use_cases.definitions.kpis.list(use_case, limit=2)
    lengths = [len(page.items)]
    while page.has_next_page():
        page = page.get_next_page()
        lengths.append(len(page.items))
    assert lengths == [2, 2, 1]
    assert page.cursor is None
    assert len(transport.sent) == 3


def test_lists_turn_round_on_request(dialect, client, use_case):
    for n in range(5):
        dialect.define_kpi(client, use_case, f"K{n}", "number", 1)
    kpis = client.use_cases.definitions.kpis
    for limit in (2, 100):
        for ascending, names in (True, ["K0", "K1", "K2", "K3", "K4"]), (False, ["K4", "K3", "K2", "K1", "K0"]):
            assert [item.name for item in kpis.list(use_case, limit=limit, sort_ascending=ascending)] == names


def test_the_fields_that_only_newer_models_have_are_filled(dialect, client, use_case):
    """An older SDK keeps fields that its models don't name as they came: text for times."""
    made = dialect.define_kpi(client, use_case, "Mood", "likert5", 3)
    read = client.use_cases.definitions.kpis.retrieve(dialect.kpi_key(made), use_case_name=use_case)
    for kpi in (made, read):
        assert kpi.kpi_name == kpi.name == "Mood"
        assert kpi.kpi_id.startswith("kpi_")
        for moment in (kpi.created_timestamp, kpi.updated_timestamp):
            if not dialect.names_type:
                moment = datetime.datetime.fromisoformat(moment.replace("Z", "+00:00"))
            assert recent(moment)
    assert read.kpi_id == made.kpi_id


GOALS = {"boolean": 0.5, "number": -2.5, "percentage": 0.3, "likert5": 5, "likert7": 6, "likert10": 9.5}


@pytest.mark.parametrize("kpi_type, goal", GOALS.items())
def test_every_kpi_type_parses(dialect, client, use_case, kpi_type, goal):
    made = dialect.define_kpi(client, use_case, "Any", kpi_type, goal)
    assert (made.kpi_type, made.goal) == (kpi_type, goal)


@pytest.mark.parametrize("name", NAMES)
def test_a_kpi_may_be_called_what_it_is_called(dialect, client, use_case, dashboard, name):
    kpi = dialect.kpi_key(dialect.define_kpi(client, use_case, name, "number", 10))
    resource = client.use_cases.definitions.kpis
    assert resource.retrieve(kpi, use_case_name=use_case).name == name
    assert resource.update(kpi, use_case_name=use_case, goal=20).goal == 20
    instance = client.use_cases.create(use_case).use_case_id
    dialect.score(client, use_case, instance, kpi, 12.5)
    # In G4 a path takes the id; the name is as good.
    dialect.score(client, use_case, instance, name, 13.5)
    assert [(item.kpi_name, item.score) for item in dialect.scores(client, use_case, instance)] == [(name, 13.5)]
    assert dashboard(use_case)["by_name"][name]["average"] == 13.5
    assert resource.delete(kpi, use_case_name=use_case).name == name


def test_a_kpi_is_found_by_its_id_in_every_generation(dialect, client, use_case):
    made = dialect.define_kpi(client, use_case, "Deflection Rate", "boolean", 0.25)
    assert client.use_cases.definitions.kpis.retrieve(made.kpi_id, use_case_name=use_case).name == "Deflection Rate"
    instance = client.use_cases.create(use_case).use_case_id
    dialect.score(client, use_case, instance, made.kpi_id, True)
    assert [item.score for item in dialect.scores(client, use_case, instance)] == [1]


def test_a_rename_keeps_the_id_and_the_scores(dialect, client, use_case, dashboard):
    made = dialect.define_kpi(client, use_case, "Mood", "likert5", 3, extra_body={"kpi_id": "mood-1"})
    assert made.kpi_id == "mood-1"
    instance = client.use_cases.create(use_case).use_case_id
    dialect.score(client, use_case, instance, dialect.kpi_key(made), 4)
    # Only the newest SDK has an argument for it.
    naming = {"kpi_name": "Humour"} if dialect.name == "G4" else {"extra_body": {"name": "Humour"}}
    renamed = client.use_cases.definitions.kpis.update(dialect.kpi_key(made), use_case_name=use_case, **naming)
    assert (renamed.name, renamed.kpi_name, renamed.kpi_id) == ("Humour", "Humour", "mood-1")
    assert [(item.kpi_name, item.score) for item in dialect.scores(client, use_case, instance)] == [("Humour", 4)]
    assert dashboard(use_case)["by_name"]["Humour"]["average"] == 4
