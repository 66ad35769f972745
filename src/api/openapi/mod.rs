//! The OpenAPI document, made of the URL map (`routes`), of what `operations` says of each action, and of the schemas of the very
//! types that bodies are read into and answers are made of. Compiled for tests only, so nothing of it is in the Worker: the
//! document is `public/openapi.json`, and a test fails when that is not what comes out here. `make openapi` writes it anew.

mod answers;
mod links;
mod operations;
pub mod schemas;
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AdditionalProperties, SchemaFormat, SchemaType};
use utoipa::openapi::{KnownFormat, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::answer::{self, List};
use super::auth::Role;
use super::routes::{Access, Action, ROUTES};
use super::{
    accounts, admin, analysis, body, dashboards, definitions, events, exports, instances, kpis, scores,
    sessions,
};
use crate::aggregator::analysis::{Breakdown, EventAnswer, Regressions};
use crate::aggregator::protocol::{InstanceAnswer, KpiAnswer, PropertyKey};
use crate::domain::dashboard::{Dashboard, Headline};
use crate::domain::names::{InstanceId, UseCaseName};
use operations::{Operation, Takes, operation};

/// Real requests and answers, by operation.
const EXAMPLES: &str = include_str!("examples.json");

/// One path for the two that differ in the name of their parameter only, which OpenAPI does not allow.
const SHARED: &str = "/api/v1/use_cases/instances/{use_case_name_or_id}";

/// The types that do not show in a single place of the code: answers that are put together of texts.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`
    status: String,
}

/// The score after an increment.
#[derive(Serialize, ToSchema)]
struct NewValue {
    score: f64,
}

/// A KPI definition, as a list holds it.
#[derive(Serialize, ToSchema)]
struct KpiWithRequestId {
    #[serde(flatten)]
    kpi: KpiAnswer,
    request_id: String,
}

/// A use case type in the overview: its headline figures, or why they could not be read.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // described, never made
pub enum OverviewItem {
    Headline(Headline<'static>),
    Unread(dashboards::Unread<'static>),
}

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    security: Value,
    tags: Value,
    paths: BTreeMap<String, BTreeMap<String, Value>>,
    components: Components,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Components {
    schemas: BTreeMap<String, Described>,
    parameters: BTreeMap<String, Value>,
    responses: BTreeMap<String, Value>,
    headers: Value,
    security_schemes: Value,
}

/// A type's schema, with what can't be said in Rust types.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    schema: RefOr<Schema>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// One method of one line of the URL map, and what it does.
struct Route<'a> {
    operation: Operation,
    method: &'a str,
    pattern: &'a str,
    access: Access,
    action: Action,
}

/// The whole document.
fn document() -> String {
    let document = Document {
        openapi: "3.1.0",
        info: json!({
            "title": "Edge KPI",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": include_str!("description.md"),
            "license": {"name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        }),
        servers: json!([{"url": "/", "description": "This service"}]),
        security: json!([{"api_key": []}, {"bearer": []}, {"session": []}]),
        tags: tags(),
        paths: paths(),
        components: Components {
            schemas: all_schemas()
                .into_iter()
                .map(|(name, schema)| (name.clone(), Described { schema, more: schemas::more_of(&name) }))
                .collect(),
            parameters: shared_parameters(),
            responses: answers::refusals(),
            headers: headers(),
            security_schemes: security_schemes(),
        },
    };
    serde_json::to_string_pretty(&document).expect("JSON") + "\n"
}

fn tags() -> Value {
    json!([
        {"name": "Use case types", "description": "What instances are instances of: `Chat-Bot`, `Image-Ad`"},
        {"name": "KPIs", "description": "What is measured of a use case type: a name, a type, a goal"},
        {"name": "Instances", "description": "One chat session, one generated ad; and their properties. \
            Paths with the use case's name and the instance's id are those of the SDKs' newer versions (and make an instance that \
            does not exist yet), paths with the id alone those of the older ones"},
        {"name": "Scores", "description": "One for each instance and KPI"},
        {"name": "Events", "description": "Changes of the system that are no new version"},
        {"name": "Dashboards", "description": "Figures straight from running aggregates"},
        {"name": "Keys and applications", "description": "Who may do what, and whose data it is"},
        {"name": "Administration"},
        {"name": "Service"},
        {"name": "Not supported", "description": "What the SDKs can also call. Always refused, with `x-should-retry: false`"},
    ])
}

fn headers() -> Value {
    json!({
        "x-request-id": {"required": true, "schema": {"type": "string", "pattern": "^req_[0-9a-f]{32}$"},
            "description": "The request's id, which is in the log, too"},
        "x-should-retry": {"required": true, "schema": {"const": "false"},
            "description": "Tells the SDKs that the same request would be refused again"},
        "retry-after": {"required": true, "schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "In seconds"},
        "set-cookie": {"required": true, "schema": {"type": "string", "pattern": "^edge_kpi_session="},
            "description": "The session's cookie. Scripts can't read it, and browsers send it to this service only"},
        "content-disposition": {"schema": {"type": "string"}, "description": "With CSV: the name of the file to keep it in"},
    })
}

fn security_schemes() -> Value {
    json!({
        "api_key": {"type": "apiKey", "in": "header", "name": "xProxy-api-key", "description": "A key, as the SDKs send it"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "The same key as `Authorization: Bearer …`"},
        "session": {"type": "apiKey", "in": "cookie", "name": "edge_kpi_session",
            "description": "A browser's session (`create_session`). A key in a header counts before it. Requests that a page of another \
                origin makes are refused with it"},
    })
}

fn paths() -> BTreeMap<String, BTreeMap<String, Value>> {
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).expect("examples.json");
    let mut paths: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for (method, pattern, access, action) in ROUTES {
        let methods =
            if *method == "*" { vec!["GET", "POST", "PUT", "PATCH", "DELETE"] } else { vec![*method] };
        for each in methods {
            let described = operation(*action);
            let id = operation_id(described.id, *method == "*", each, pattern);
            let example =
                examples.get(&id).or_else(|| examples.get(described.id)).cloned().unwrap_or_default();
            let route =
                Route { operation: described, method: each, pattern, access: *access, action: *action };
            let mut entry = one_operation(&route, &example);
            if let Some(links) = links::of(&id) {
                entry["responses"]["200"]["links"] = links;
            }
            entry["operationId"] = id.into();
            paths.entry(template(pattern)).or_default().insert(each.to_ascii_lowercase(), entry);
        }
    }
    paths
}

/// The path as the document has it.
fn template(pattern: &str) -> String {
    let path = pattern.trim_end_matches("/**");
    match path.strip_prefix("/api/v1/use_cases/instances/") {
        Some("{use_case_name}" | "{use_case_id}") => SHARED.to_owned(),
        _ => path.to_owned(),
    }
}

/// `write_score` for the newest way to do it; the others say in what they differ.
fn operation_id(base: &str, any_method: bool, method: &str, pattern: &str) -> String {
    let about_instance = pattern.starts_with("/api/v1/use_cases/instances/");
    let by_id = about_instance && !pattern.contains("{use_case_name}");
    let by_post = about_instance && method == "POST" && matches!(base, "write_score" | "set_properties");
    // The portal's pages are one operation.
    if base == "get_portal" && pattern != "/" {
        let what = pattern.trim_matches(['/', '*']).replace('-', "_");
        return format!("{base}_{what}");
    }
    if any_method {
        let what = pattern.trim_end_matches("/**").rsplit('/').next().unwrap_or_default();
        return format!("{}_{what}", method.to_ascii_lowercase());
    }
    format!("{base}{}{}", if by_id { "_by_id" } else { "" }, if by_post { "_by_post" } else { "" })
}

fn one_operation(route: &Route<'_>, example: &Value) -> Value {
    let Route { operation: described, pattern, access, .. } = route;
    let roles = roles(*access);
    let who = match access {
        Access::Anyone => "Needs no key.".to_owned(),
        Access::Root => "For `ROOT_API_KEY` only.".to_owned(),
        _ => format!(
            "For the roles {}.",
            roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    let mut entry = json!({
        "tags": [described.tag],
        "summary": described.summary,
        "description": format!("{}{who}", described.more.map(|more| format!("{more}\n\n")).unwrap_or_default()),
        "x-roles": roles,
        "responses": answers::responses(route, example),
    });
    let parameters = parameters(described, pattern);
    if !parameters.is_empty() {
        entry["parameters"] = parameters.into();
    }
    if *access == Access::Anyone {
        entry["security"] = json!([]);
    }
    if let Some(body) = request_body(described.takes, &example["request"]) {
        entry["requestBody"] = body;
    }
    entry
}

fn roles(access: Access) -> Vec<&'static str> {
    match access {
        Access::Anyone => vec![],
        Access::Root => vec!["root"],
        _ => [Role::Read, Role::Ingest, Role::Editor, Role::Admin]
            .into_iter()
            .filter(|role| access.allows(*role, false))
            .map(Role::as_str)
            .collect(),
    }
}

fn parameters(described: &Operation, pattern: &str) -> Vec<Value> {
    let shared = template(pattern) == SHARED;
    let in_path = pattern.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let (schema, description, example) = match name {
            "use_case_name" => (reference("UseCaseName"), "The name of the use case type", "Chat-Bot"),
            "use_case_id" => (reference("InstanceId"), "The id of the instance", "session-1"),
            "kpi" => (
                json!({"type": "string", "minLength": 1, "pattern": "^[^/]+$"}),
                "A KPI's name or, where there is none of this name, its id",
                "Deflection Rate",
            ),
            "key_id" => (json!({"type": "string", "minLength": 1, "pattern": "^[^/]+$"}), "The id of the key", "key_1"),
            "application_id" => (
                json!({"type": "string", "minLength": 1, "pattern": "^[^/]+$"}),
                "The id of the application",
                "support-team",
            ),
            _ => (json!({"type": "string", "minLength": 1, "pattern": "^[^/]+$"}), "The id of the event", "evt_1"),
        };
        let name = if shared { "use_case_name_or_id" } else { name };
        json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema, "example": example})
    });
    let others = described.query.iter().chain(described.headers);
    in_path.chain(others.map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))).collect()
}

/// Those of queries and headers, by the names that `operations` has for them.
fn shared_parameters() -> BTreeMap<String, Value> {
    let described = || ROUTES.iter().map(|(_, _, _, action)| operation(*action));
    let in_query = described().flat_map(|operation| operation.query);
    let in_query = in_query.map(|name| ((*name).to_owned(), schemas::query_parameter(name)));
    let in_header = described().flat_map(|operation| operation.headers);
    let in_header = in_header.map(|name| ((*name).to_owned(), schemas::header_parameter(name)));
    in_query.chain(in_header).collect()
}

fn request_body(takes: Takes, example: &Value) -> Option<Value> {
    let content = |schema: &str| {
        let mut content = json!({"schema": reference(schema)});
        if !example.is_null() {
            content["example"] = example.clone();
        }
        content
    };
    let table = |example: &str| json!({"schema": {"type": "string"}, "example": example});
    Some(match takes {
        Takes::Nothing => return None,
        Takes::Optional(schema) => {
            json!({"required": false, "content": {"application/json": content(schema)}})
        }
        Takes::Required(schema) => {
            json!({"required": true, "content": {"application/json": content(schema)}})
        }
        Takes::OrTable(schema) => json!({"required": true, "content": {
            "application/json": content(schema),
            "text/csv": table("use_case_id,kpi_name,score,timestamp\nsession-1,Deflection Rate,true,2026-11-03T09:15:00Z\n"),
            "application/x-ndjson": table("{\"use_case_id\": \"session-1\", \"kpi_name\": \"Deflection Rate\", \"score\": true}\n"),
        }}),
    })
}

/// A reference to a schema.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn all_schemas() -> BTreeMap<String, RefOr<Schema>> {
    let mut answers = BTreeMap::new();
    let to = &mut answers;
    add::<answer::Envelope<'_>>(to);
    add::<Health>(to);
    add::<NewValue>(to);
    add::<KpiAnswer>(to);
    add_list::<KpiWithRequestId>(to);
    add::<sessions::SessionShown>(to);
    add_list::<accounts::KeyShown>(to);
    add_list::<accounts::ApplicationShown>(to);
    add_list::<definitions::Definition<'_>>(to);
    add_list::<InstanceAnswer>(to);
    add_list::<PropertyKey>(to);
    add_list::<scores::ScoreShown>(to);
    add::<scores::BulkAnswer>(to);
    add_list::<exports::Shown<'_>>(to);
    add::<EventAnswer<'_>>(to);
    add_list::<events::EventShown>(to);
    add::<Dashboard<'_>>(to);
    add::<dashboards::Overview<'_>>(to);
    add::<admin::Reconciled>(to);
    add::<admin::Rebuilt>(to);
    add::<analysis::Comparisons<'_>>(to);
    add::<Breakdown<'_>>(to);
    add::<Regressions<'_>>(to);
    answers.values_mut().for_each(complete);

    let mut all = answers;
    let to = &mut all;
    add::<accounts::ApplicationBody>(to);
    add::<accounts::KeyBody>(to);
    add::<sessions::SessionBody>(to);
    add::<definitions::DefinitionBody>(to);
    add::<definitions::ChangeBody>(to);
    add::<definitions::VersionBody>(to);
    add::<kpis::KpiBody>(to);
    add::<kpis::ChangeBody>(to);
    add::<instances::InstanceBody>(to);
    add::<instances::PropertiesBody>(to);
    add::<scores::ScoreBody>(to);
    add::<scores::IncrementBody>(to);
    add::<scores::BulkBody>(to);
    add::<scores::ItemBody>(to);
    add::<events::EventBody>(to);
    add::<body::Timestamp>(to);
    add::<UseCaseName>(to);
    add::<InstanceId>(to);
    schemas::add_aliases(to);
    all
}

/// Adds a type's schema, and those that it refers to.
fn add<T: PartialSchema + ToSchema>(to: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    for (name, schema) in found {
        to.entry(name).or_insert(schema);
    }
}

/// A list's schema, with that of its items.
fn add_list<T: PartialSchema + ToSchema>(to: &mut BTreeMap<String, RefOr<Schema>>) {
    to.insert(format!("List_{}", T::name()), List::<T>::schema());
    add::<T>(to);
}

/// What utoipa does not know of an answer: a field that may be `null` is there all the same (those that may be left out are
/// marked as not nullable), and which texts are times.
fn complete(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            object.description = object.description.take().map(|text| text.replace("`None`", "`null`"));
            for (name, property) in &mut object.properties {
                if is_nullable(property) && !object.required.contains(name) {
                    object.required.push(name.clone());
                }
                if is_time(name)
                    && let RefOr::T(Schema::Object(text)) = property
                    && is_text(&text.schema_type)
                {
                    text.format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
                }
                complete(property);
            }
            if let Some(AdditionalProperties::RefOr(inner)) = object.additional_properties.as_deref_mut() {
                complete(inner);
            }
        }
        Schema::AllOf(all) => all.items.iter_mut().for_each(complete),
        Schema::OneOf(one) => one.items.iter_mut().for_each(complete),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(complete),
        _ => {}
    }
}

fn is_time(name: &str) -> bool {
    matches!(name, "from" | "to" | "at" | "start" | "slot_start") || name.ends_with("_timestamp")
}

fn is_text(schema_type: &SchemaType) -> bool {
    match schema_type {
        SchemaType::Type(one) => *one == Type::String,
        SchemaType::Array(several) => several.contains(&Type::String),
        SchemaType::AnyValue => false,
    }
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let null = |schema_type: &SchemaType| match schema_type {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(several) => several.contains(&Type::Null),
        SchemaType::AnyValue => true,
    };
    match schema {
        RefOr::T(Schema::Object(object)) => null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => null(&array.schema_type),
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(is_nullable),
        _ => false,
    }
}
