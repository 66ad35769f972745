//! Schemas of what a Rust type does not say by itself: values with limits, texts, scores, query parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::super::body::{Text, Timestamp};
use super::reference;
use crate::config::{BULK_ITEMS_MAX, PAGE_ITEMS_MAX, TITLE_CHARS_MAX};
use crate::domain::calendar::Granularity;
use crate::domain::kpi::{BENCHMARKS_MAX, NUMBER_MAGNITUDE_MAX};
use crate::domain::names::PROPERTIES_PER_INSTANCE_MAX;

/// A schema in JSON as one of utoipa's.
pub fn typed(value: Value) -> RefOr<Schema> {
    serde_json::from_value(value).expect("a schema that utoipa knows")
}

impl<const CHARS_MAX: usize> PartialSchema for Text<CHARS_MAX> {
    fn schema() -> RefOr<Schema> {
        text(CHARS_MAX).description(Some(format!("At most {CHARS_MAX} characters, without NUL"))).into()
    }
}

impl<const CHARS_MAX: usize> ToSchema for Text<CHARS_MAX> {
    fn name() -> Cow<'static, str> {
        format!("TextUpTo{CHARS_MAX}").into()
    }
}

fn text(chars_max: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(chars_max)).pattern(Some(NO_NUL))
}

const PROPERTY_KEY: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

const NO_NUL: &str = r"^[^\u0000]*$";

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        typed(json!({"type": "string", "format": "date-time", "examples": ["2026-11-24T10:00:00Z"],
            "description": "An RFC 3339 time from the year 2000 on, at most 5 minutes ahead. Answers give times in UTC with \
                milliseconds."}))
    }
}

impl ToSchema for Timestamp {}

/// In the range of the KPI's type.
pub fn goal() -> Object {
    magnitude().description(Some(GOAL)).build()
}

pub fn optional_goal() -> Object {
    let nullable = utoipa::openapi::schema::SchemaType::from_iter([Type::Number, Type::Null]);
    magnitude().description(Some(GOAL)).schema_type(nullable).build()
}

const GOAL: &str = "boolean and percentage: 0 to 1; likert5, likert7, likert10: 1 to 5, 7 or 10; number: any";

fn magnitude() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(-NUMBER_MAGNITUDE_MAX))
        .maximum(Some(NUMBER_MAGNITUDE_MAX))
}

pub fn bucket_width() -> RefOr<Schema> {
    typed(json!({"type": ["number", "null"], "exclusiveMinimum": 0.0, "maximum": NUMBER_MAGNITUDE_MAX,
        "description": "Of the buckets of a number KPI's distribution. By default the largest of 1, 2, 5 × 10ⁿ that is at most \
            half the goal's magnitude"}))
}

pub fn benchmarks() -> RefOr<Schema> {
    typed(json!({"type": ["array", "null"], "maxItems": BENCHMARKS_MAX,
        "description": "What the KPI is held against; names are unique, values are in the range of the goals",
        "items": {"type": "object", "required": ["name", "value"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": TITLE_CHARS_MAX, "pattern": NOT_BLANK},
            "value": {"type": "number", "minimum": -NUMBER_MAGNITUDE_MAX, "maximum": NUMBER_MAGNITUDE_MAX}}}}))
}

const NOT_BLANK: &str = r"^[^\u0000]*[^\s\u0000][^\u0000]*$";

pub fn title() -> Object {
    text(TITLE_CHARS_MAX)
        .min_length(Some(1))
        .pattern(Some(NOT_BLANK))
        .description(Some("What has changed; not blank"))
        .build()
}

pub fn score() -> RefOr<Schema> {
    typed(
        json!({"type": ["number", "boolean", "null"], "minimum": -NUMBER_MAGNITUDE_MAX, "maximum": NUMBER_MAGNITUDE_MAX,
        "examples": [true],
        "description": "boolean: `true`, `false`, 1 or 0; percentage: 0 to 1; likert5, likert7, likert10: 1 to 5, 7 or 10, \
            fractions allowed; number: any. `null` clears the score"}),
    )
}

pub fn bulk_items() -> RefOr<Schema> {
    typed(json!({"type": "array", "minItems": 1, "maxItems": BULK_ITEMS_MAX,
        "description": "Read one by one: an item that is refused does not stop the others",
        "items": reference("NewScoreItem")}))
}

pub fn properties() -> RefOr<Schema> {
    typed(json!({"type": ["object", "null"], "description": "Texts by key; `null` removes a key",
        "maxProperties": PROPERTIES_PER_INSTANCE_MAX,
        "propertyNames": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": PROPERTY_KEY},
        "additionalProperties": {"type": ["string", "null"], "maxLength": 512, "pattern": NO_NUL}}))
}

pub fn optional_properties() -> RefOr<Schema> {
    properties()
}

/// Fields that may stand in place of others, as the SDKs' versions differ. Their structs hold one field for both.
pub fn add_aliases(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let name = |description: &str| json!({"oneOf": [reference("KpiName"), {"type": "null"}], "description": description});
    let key = json!({"type": ["string", "null"], "maxLength": 10_000, "pattern": NO_NUL,
        "description": "In place of `properties`, for one key"});
    let value = json!({"type": ["string", "number", "boolean", "object", "array", "null"],
        "description": "Of `property_name`: text, or `null` to remove the key"});
    for (body, field, schema) in [
        ("NewKpi", "name", name("Unique in the use case type")),
        ("NewKpi", "kpi_name", name("In place of `name`")),
        ("KpiChange", "kpi_name", name("In place of `name`")),
        ("PropertyChange", "property_name", key),
        ("PropertyChange", "value", value),
    ] {
        let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(body) else {
            panic!("no schema {body}")
        };
        object.required.retain(|name| name != "name" && name != "properties");
        object.properties.insert(field.to_owned(), typed(schema));
    }
}

/// What a body's fields have to do with each other.
pub fn more_of(schema: &str) -> Map<String, Value> {
    let either = |one: &str, other: &str| json!([{"required": [one]}, {"required": [other]}]);
    let more = match schema {
        "NewScore" => json!({"anyOf": [{"required": ["score"]}, {"type": "object", "maxProperties": 0}]}),
        // `null` counts as left out.
        "NewKpi" => {
            let one = |given: &str, left_out: &str| json!({"required": [given], "properties": {given: {"type": "string"}, left_out: {"type": "null"}}});
            json!({"oneOf": [one("name", "kpi_name"), one("kpi_name", "name")]})
        }
        "KpiChange" => json!({"not": {"required": ["name", "kpi_name"],
            "properties": {"name": {"type": "string"}, "kpi_name": {"type": "string"}}}}),
        // Where there are `properties`, the other two say nothing.
        "PropertyChange" => {
            json!({"anyOf": [{"required": ["properties"]}, {"required": ["property_name"], "properties": {
            "property_name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": PROPERTY_KEY},
            "value": {"type": ["string", "null"], "maxLength": 512, "pattern": NO_NUL}}}]})
        }
        "NewScoreItem" => json!({"required": ["score"], "oneOf": either("kpi_name", "kpi_id")}),
        _ => json!({}),
    };
    more.as_object().cloned().unwrap_or_default()
}

/// A query parameter: what is allowed, and what it means.
pub fn query_parameter(name: &str) -> Value {
    let text = |description: &str| (json!({"type": "string", "minLength": 1}), description.to_owned());
    let bound = |description: &str| {
        let schema = json!({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]});
        (schema, format!("{description}: a date (its first instant in `time_zone`) or an RFC 3339 time"))
    };
    let (schema, description) = match name {
        "cursor" => text("Where to go on: the `cursor` of the page before"),
        "limit" => (
            json!({"type": "integer", "minimum": 0, "maximum": PAGE_ITEMS_MAX, "default": 100}),
            "Items on a page; 0 means 100, too".to_owned(),
        ),
        "rows" => (json!({"type": "integer", "minimum": 1, "maximum": i64::MAX}), "Rows at most; all, if left out".to_owned()),
        "sort_ascending" => (json!({"type": "boolean", "default": true}), "In the order of creation".to_owned()),
        "search" => (
            json!({"type": "string", "pattern": "^[A-Za-z0-9._:@=+-]{1,128}$"}),
            "Instances whose ids begin so, in the order of their ids".to_owned(),
        ),
        "include" => (
            json!({"type": "string", "enum": ["score_count"]}),
            "`score_count`: also how many scores the KPI holds, of all versions and times".to_owned(),
        ),
        "use_case_name" => text("The use case of this name only"),
        "one_use_case" => (reference("UseCaseName"), "The use case of this name only".to_owned()),
        "rebuilt_use_case" => (reference("UseCaseName"), "Whose aggregates are counted again".to_owned()),
        "kpi_name" => text("The KPI of this name only"),
        "kpi_id" => text("The KPI of this id only"),
        "use_case_id" => (reference("InstanceId"), "The instance's id, if the body names none".to_owned()),
        "kpi" => (
            json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
            "A KPI's name or id; repeatable. All, if left out".to_owned(),
        ),
        "from" => bound("The start of the range, inclusive"),
        "to" => bound("The end of the range, exclusive"),
        "baseline_from" => bound("`by=period`: the start of the range to compare with"),
        "baseline_to" => bound("`by=period`: its end"),
        "at" => bound("`by=moment`: the moment"),
        "time_zone" => (
            json!({"type": "string", "default": "UTC", "enum": chrono_tz::TZ_VARIANTS.map(|zone| zone.name()).to_vec()}),
            "A time zone by its IANA name".to_owned(),
        ),
        "version" => (
            json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
            "Instances of this version only".to_owned()),
        "granularity" => (
            json!({"type": "string", "default": "day",
                "enum": [Granularity::Hour, Granularity::Day, Granularity::Week, Granularity::Month]}),
            "Of the series; weeks start on Monday".to_owned(),
        ),
        "format" => (json!({"type": "string", "default": "json", "enum": ["json", "csv"]}), "Of the answer".to_owned()),
        "export_format" => (
            json!({"type": "string", "default": "json", "enum": ["json", "ndjson", "csv"]}),
            "Of the answer".to_owned(),
        ),
        "alpha" => (
            json!({"type": "number", "minimum": 0.0001, "maximum": 0.5, "default": 0.05}),
            "The level of significance".to_owned(),
        ),
        "by" => (
            json!({"type": "string", "enum": ["version", "period", "moment", "property", "use_case", "benchmark"]}),
            "What is compared".to_owned(),
        ),
        "breakdown_by" => (
            json!({"type": "string", "pattern": r"^(version|property:[^\u0000-\u001F\u007F-\u009F]{1,64})$"}),
            "`version`, or `property:KEY`".to_owned(),
        ),
        "baseline" => text("A version (`by=version`), `previous` or `previous_year` (`by=period`), a value (`by=property`)"),
        "candidate" => text("A version (`by=version`), a value (`by=property`), another use case's name (`by=use_case`)"),
        "window" => (
            json!({"type": "string", "pattern": "^[1-9][0-9]{0,2}[hdw]$", "default": "7d"}),
            "`by=moment`: how long before and after: `12h`, `7d`, `2w`".to_owned(),
        ),
        "key" => text("`by=property`: the property's key"),
        "value" => (
            json!({"type": "number"}),
            "`by=benchmark`: the value, for the one KPI that `kpi` names; the KPIs' own benchmarks, if left out".to_owned(),
        ),
        "properties" => {
            return json!({"name": "properties", "in": "query", "style": "form", "explode": true,
                "description": "`property.KEY=VALUE`: instances that have this property now; repeatable, all must hold",
                "example": {"property.model": "m-1"},
                "schema": {"type": "object", "patternProperties": {
                    r"^property\.[^\u0000-\u001F\u007F-\u009F]{1,64}$": {"type": "string", "maxLength": 512, "pattern": NO_NUL}}}});
        }
        other => panic!("the query parameter {other} is not described"),
    };
    let spelled = match name {
        "one_use_case" | "rebuilt_use_case" => "use_case_name",
        "rows" => "limit",
        "export_format" => "format",
        "breakdown_by" => "by",
        other => other,
    };
    let required = matches!(name, "by" | "breakdown_by" | "rebuilt_use_case");
    // Empty counts as left out; what must be there can't be.
    json!({"name": spelled, "in": "query", "required": required, "allowEmptyValue": !required, "description": description,
        "schema": schema})
}

/// A header that a request may have.
pub fn header_parameter(name: &str) -> Value {
    let (schema, description) = match name {
        "Idempotency-Key" => (
            json!({"type": "string", "pattern": "^[!-~]{1,255}$"}),
            "Makes a repeated request return the first answer, for 24 hours",
        ),
        "xProxy-UseCase-Version" => (
            json!({"type": "string", "examples": ["1"]}),
            "The version of an instance that this request makes: one that exists. On an instance that exists it is ignored, \
             whatever it says",
        ),
        other => panic!("the header {other} is not described"),
    };
    json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema})
}
