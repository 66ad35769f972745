//! What each operation answers: when it succeeds, and when it refuses, by status and code.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operations::{Gives, Takes, operation};
use super::{Route, reference};
use crate::api::answer;
use crate::api::routes::{Access, Action, ROUTES};
use crate::domain::refusal::Code;

pub fn responses(route: &Route<'_>, example: &Value) -> Value {
    let mut responses = Map::new();
    let id = || json!({"x-request-id": {"$ref": "#/components/headers/x-request-id"}});
    let mut success = |status: &str, description: &str, content: Value| {
        let mut response = json!({"description": description, "headers": id()});
        if !content.is_null() {
            response["content"] = content;
        }
        responses.insert(status.to_owned(), response);
    };
    let as_json = |schema: Value| {
        let mut content = json!({"schema": schema});
        if !example["response"].is_null() {
            content["example"] = example["response"].clone();
        }
        content
    };
    let text = || json!({"schema": {"type": "string"}});
    match route.operation.gives {
        Gives::Json(schema) => {
            success("200", "Done", json!({"application/json": as_json(reference(schema))}))
        }
        Gives::WithRequestId(schema) => {
            success("200", "Done", json!({"application/json": as_json(with_request_id(schema))}));
        }
        Gives::OrCsv(schema) => {
            success(
                "200",
                "Done",
                json!({"application/json": as_json(reference(schema)), "text/csv": text()}),
            );
        }
        Gives::Export(schema) => success(
            "200",
            "Done",
            json!({"application/json": as_json(reference(schema)), "text/csv": text(), "application/x-ndjson": text()}),
        ),
        Gives::Document => {
            success("200", "Done", json!({"application/json": {"schema": {"type": "object"}}}))
        }
        Gives::Page => success("200", "Done", json!({"text/html": text()})),
        Gives::File => success("200", "Done", json!({"*/*": {}})),
        Gives::Nothing => success("204", "Done", Value::Null),
        Gives::Refusal => {}
    }
    if matches!(route.operation.gives, Gives::OrCsv(_) | Gives::Export(_)) {
        responses["200"]["headers"]["content-disposition"] =
            json!({"$ref": "#/components/headers/content-disposition"});
    }
    let sets_cookie = match route.action {
        Action::CreateSession => Some("200"),
        Action::DeleteSession => Some("204"),
        _ => None,
    };
    if let Some(status) = sets_cookie {
        responses[status]["headers"]["set-cookie"] = json!({"$ref": "#/components/headers/set-cookie"});
    }
    for (status, codes) in codes(route) {
        responses.insert(
            status.to_string(),
            json!({"$ref": format!("#/components/responses/{}", refusal_name(&codes))}),
        );
    }
    responses.into()
}

/// What an operation may be refused for, by status.
fn codes(route: &Route<'_>) -> BTreeMap<u16, Vec<Code>> {
    let Route { operation, method, pattern, access, action } = route;
    let mut codes: Vec<Code> = operation.codes.to_vec();
    if *access != Access::Anyone {
        codes.extend([Code::InvalidRequest, Code::InvalidApiKey, Code::RateLimited, Code::UnexpectedError]);
        // Whoever is allowed to may be refused with a session's cookie, if it is sent from elsewhere.
        codes.extend([Code::Overloaded, Code::Unavailable, Code::Forbidden]);
        if *method != "GET" {
            codes.push(Code::PayloadTooLarge);
        }
    } else if matches!(action, Action::OpenApi | Action::Docs | Action::Portal | Action::PortalFile) {
        codes.push(Code::NotFound);
    }
    if !matches!(operation.takes, Takes::Nothing) {
        codes.push(Code::UnsupportedMediaType);
    }
    if !matches!(operation.gives, Gives::Refusal) {
        for (parameter, refused) in [
            ("{use_case_name}", &[Code::InvalidUseCaseName, Code::UseCaseNotFound][..]),
            (
                "{use_case_id}",
                &[Code::InvalidUseCaseId, Code::UseCaseInstanceNotFound, Code::UseCaseNotFound][..],
            ),
            ("{kpi}", &[Code::KpiNotFound][..]),
        ] {
            if pattern.contains(parameter) {
                codes.extend(refused);
            }
        }
    }
    codes.sort_by_key(|code| *code as u8);
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let of_status = by_status.entry(answer::status_of(code)).or_default();
        if !of_status.contains(&code) {
            of_status.push(code);
        }
    }
    by_status
}

/// The refusals of all operations, by their codes.
pub fn refusals() -> BTreeMap<String, Value> {
    let all = ROUTES.iter().flat_map(|(method, pattern, access, action)| {
        let operation = operation(*action);
        codes(&Route { operation, method, pattern, access: *access, action: *action })
    });
    all.map(|(status, codes)| (refusal_name(&codes), refusal(status, &codes))).collect()
}

fn refusal_name(codes: &[Code]) -> String {
    let spelled = codes.iter().map(|code| json!(code).as_str().unwrap_or_default().to_owned());
    spelled.collect::<Vec<_>>().join(".")
}

fn refusal(status: u16, codes: &[Code]) -> Value {
    let spelled: Vec<Value> = codes.iter().map(|code| json!(code)).collect();
    let named =
        spelled.iter().map(|code| format!("`{}`", code.as_str().unwrap_or_default())).collect::<Vec<_>>();
    let mut headers = json!({"x-request-id": {"$ref": "#/components/headers/x-request-id"}});
    match status {
        400..=428 | 501 => headers["x-should-retry"] = json!({"$ref": "#/components/headers/x-should-retry"}),
        429 | 503 => headers["retry-after"] = json!({"$ref": "#/components/headers/retry-after"}),
        _ => {}
    }
    json!({
        "description": named.join(", "),
        "headers": headers,
        "content": {"application/json": {"schema": {"allOf": [
            reference("Error"),
            {"properties": {
                "statusCode": {"const": status},
                "xproxy_error": {"properties": {"code": {"enum": spelled}}},
            }},
        ]}}},
    })
}

fn with_request_id(schema: &str) -> Value {
    json!({"allOf": [
        reference(schema),
        {"type": "object", "required": ["request_id"], "properties": {"request_id": {"type": "string"}}},
    ]})
}
