use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::api::routes;

fn at_root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn published() -> Value {
    serde_json::from_str(&std::fs::read_to_string(at_root("public/openapi.json")).unwrap()).unwrap()
}

/// Path, method and what the document says of them.
fn operations_of(document: &Value) -> Vec<(&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
        })
        .collect()
}

#[test]
fn the_published_document_is_what_the_types_say() {
    let path = at_root("public/openapi.json");
    let now = document();
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == now, "public/openapi.json is not what the code says: `make openapi` writes it anew");
}

#[test]
fn every_route_is_in_the_document() {
    let document = published();
    for (method, pattern, _, _) in routes::ROUTES {
        let method = if *method == "*" { "POST" } else { method };
        let operation = &document["paths"][template(pattern)][method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} {pattern}");
    }
}

#[test]
fn everything_in_the_document_is_a_route() {
    let document = published();
    let mut ids = BTreeSet::new();
    let mut counted = 0;
    for (path, method, operation) in operations_of(&document) {
        let asked = path.replace("{kpi}", "K").replace(['{', '}'], "");
        let found = routes::find(&method.to_uppercase(), &asked);
        let found = found.unwrap_or_else(|refusal| panic!("{method} {path}: {refusal:?}"));
        assert_eq!(template(found.pattern), *path, "{method} {path} is served by another route");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
            "{method} {path}: its id is taken"
        );
        counted += 1;
    }
    assert!(counted >= routes::ROUTES.len(), "{counted} operations");
}

#[test]
fn references_and_links_lead_somewhere() {
    fn walk<'v>(value: &'v Value, found: &mut Vec<(&'v str, &'v str)>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("$ref" | "operationId", Value::String(text)) => found.push((name, text)),
                        _ => walk(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let document = published();
    let ids: BTreeSet<&str> = operations_of(&document)
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    let mut found = Vec::new();
    walk(&document, &mut found);
    let mut used = BTreeSet::new();
    for (name, target) in found {
        if name == "$ref" {
            assert!(document.pointer(&target[1..]).is_some(), "{target}");
            used.insert(target.rsplit('/').next().unwrap());
        } else {
            assert!(ids.contains(target), "{target}");
        }
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(used.contains(schema.as_str()), "nothing refers to {schema}");
    }
}

/// Codes that belong to no operation: the path or the method is none of them.
const OF_NO_OPERATION: &[&str] = &["method_not_allowed"];

#[test]
fn every_code_can_be_answered_by_some_operation() {
    let document = published();
    let text = serde_json::to_string(&document["components"]["responses"]).unwrap();
    for code in document["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap() {
        let code = code.as_str().unwrap();
        assert!(text.contains(&format!("\"{code}\"")) || OF_NO_OPERATION.contains(&code), "{code}");
    }
}

/// What a handler reads of the query is what its document lists, file by file.
#[test]
fn query_parameters_are_those_that_are_read() {
    let mut read = BTreeSet::new();
    for file in std::fs::read_dir(at_root("src/api")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            read.extend(names_read(code));
        }
    }
    let document = published();
    let mut documented = BTreeSet::new();
    for (_, _, operation) in operations_of(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let target = parameter["$ref"].as_str().and_then(|target| document.pointer(&target[1..]));
            let parameter = target.unwrap_or(parameter);
            if parameter["in"] == "query" && parameter["name"] != "properties" {
                documented.insert(parameter["name"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(read, documented);
}

/// The names that code asks a query for, in whatever way.
fn names_read(code: &str) -> Vec<String> {
    const WAYS: &[&str] = &[
        "query.get(\"",
        "query.all(\"",
        "query.integer(\"",
        "query.bound(\"",
        "asked.get(\"",
        "asked.all(\"",
        "asked.bound(\"",
        "self.get(\"",
        "self.integer(\"",
        "self.flag(\"",
        "required(context, \"",
    ];
    let mut names = Vec::new();
    for way in WAYS {
        for rest in code.split(way).skip(1) {
            names.push(rest.split('"').next().unwrap_or_default().to_owned());
        }
    }
    names
}
