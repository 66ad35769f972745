//! Where to go on with what an operation answered: what was made is read, used and deleted.

use serde_json::{Map, Value, json};

const NAME: (&str, &str) = ("use_case_name", "$response.body#/name");
const SAME_NAME: (&str, &str) = ("use_case_name", "$request.path.use_case_name");
const KPI: (&str, &str) = ("kpi", "$response.body#/kpi_id");
const ITS_NAME: (&str, &str) = ("use_case_name", "$response.body#/use_case_name");
const ITS_ID: (&str, &str) = ("use_case_id", "$response.body#/use_case_id");
const NAME_OR_ID: (&str, &str) = ("use_case_name_or_id", "$response.body#/name");
const ID_ALONE: (&str, &str) = ("use_case_name_or_id", "$response.body#/use_case_id");

type Link = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// From an operation to another, with what its parameters are.
#[rustfmt::skip]
const LINKS: &[Link] = &[
    ("create_definition", "get_definition", &[NAME]),
    ("create_definition", "create_kpi", &[NAME]),
    ("create_definition", "create_instance", &[NAME_OR_ID]),
    ("create_definition", "create_event", &[NAME]),
    ("create_definition", "increment_version", &[NAME]),
    ("create_definition", "get_dashboard", &[NAME]),
    ("create_definition", "delete_definition", &[NAME]),
    ("create_kpi", "get_kpi", &[SAME_NAME, KPI]),
    ("create_kpi", "update_kpi", &[SAME_NAME, KPI]),
    ("create_kpi", "delete_kpi", &[SAME_NAME, KPI]),
    ("create_kpi", "get_dashboard", &[SAME_NAME]),
    ("create_instance", "get_instance", &[ITS_NAME, ITS_ID]),
    ("create_instance", "get_instance_by_id", &[ID_ALONE]),
    ("create_instance", "set_properties", &[ITS_NAME, ITS_ID]),
    ("create_instance", "list_scores", &[ITS_NAME, ITS_ID]),
    ("create_instance", "delete_instance", &[ITS_NAME, ITS_ID]),
    ("create_instance", "delete_instance_by_id", &[ID_ALONE]),
    ("create_event", "list_events", &[SAME_NAME]),
    ("create_event", "delete_event", &[SAME_NAME, ("event_id", "$response.body#/event_id")]),
    ("create_key", "revoke_key", &[("key_id", "$response.body#/key_id")]),
];

/// The links of an operation's answer.
pub fn of(operation_id: &str) -> Option<Value> {
    let links: Map<String, Value> = LINKS
        .iter()
        .filter(|(from, _, _)| *from == operation_id)
        .map(|(_, to, parameters)| {
            let parameters: Map<String, Value> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            ((*to).to_owned(), json!({"operationId": to, "parameters": parameters}))
        })
        .collect();
    (!links.is_empty()).then(|| links.into())
}
