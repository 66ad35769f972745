//! What each action takes, answers and refuses. A new action does not compile before it is described here.

use super::super::routes::Action;
use crate::domain::refusal::Code;

/// A body that an action takes.
#[derive(Clone, Copy)]
pub enum Takes {
    Nothing,
    /// A JSON object of this schema; all of it may be left out.
    Optional(&'static str),
    Required(&'static str),
    /// JSON of this schema, or a table.
    OrTable(&'static str),
}

/// What an action answers when it succeeds.
#[derive(Clone, Copy)]
pub enum Gives {
    /// JSON of this schema.
    Json(&'static str),
    /// The same with `request_id` added.
    WithRequestId(&'static str),
    /// JSON of this schema, or CSV.
    OrCsv(&'static str),
    /// JSON of this schema, CSV, or an item of its list as NDJSON.
    Export(&'static str),
    Page,
    /// Of whatever media type.
    File,
    Document,
    Nothing,
    /// It never succeeds.
    Refusal,
}

pub struct Operation {
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    /// What the summary does not say.
    pub more: Option<&'static str>,
    pub query: &'static [&'static str],
    pub headers: &'static [&'static str],
    pub takes: Takes,
    pub gives: Gives,
    /// Besides those of every operation of its kind (`super::codes`).
    pub codes: &'static [Code],
}

const PAGED: &[&str] = &["cursor", "limit", "sort_ascending"];
const VERSION_HEADER: &[&str] = &["xProxy-UseCase-Version"];

/// What reading a dashboard may be refused for.
const FIGURES: &[Code] = &[Code::InvalidFilter, Code::KpiNotFound, Code::TooManyRows, Code::TooManyBuckets];

#[rustfmt::skip]
pub fn operation(action: Action) -> Operation {
    use Action as A;
    use Gives::{Export, Json, OrCsv, WithRequestId};
    use Takes::{Optional, OrTable, Required};
    let of = |id, tag, summary| Operation {
        id, tag, summary, more: None, query: &[], headers: &[], takes: Takes::Nothing, gives: Gives::Nothing, codes: &[],
    };
    match action {
        A::Health => Operation { gives: Json("Health"), ..of("get_health", "Service", "Whether the service runs") },
        A::OpenApi => Operation { gives: Gives::Document, ..of("get_openapi", "Service", "This document") },
        A::Docs => Operation { gives: Gives::Page, ..of("get_docs", "Service", "This document as a readable page") },

        A::Portal => Operation { gives: Gives::Page, ..of("get_portal", "Service", "The portal, whatever page of it is meant") },
        A::PortalFile => Operation { gives: Gives::File, ..of("get_portal_file", "Service", "A file of the portal; so is every path below") },

        A::CreateSession => Operation { takes: Required("NewSession"), gives: Json("Session"),
            codes: &[Code::InvalidRequest, Code::InvalidApiKey, Code::Forbidden, Code::PayloadTooLarge, Code::RateLimited,
                Code::UnexpectedError, Code::NotSupported, Code::Overloaded, Code::Unavailable],
            more: Some("The cookie is good for 12 hours, as long as the key is, and only for requests from the service's own pages. \
                Other programs send the key itself with each request."),
            ..of("create_session", "Keys and applications", "Sign a browser in: exchange a key for a cookie") },
        A::GetSession => Operation { gives: Json("Session"),
            ..of("get_session", "Keys and applications", "Who is signed in, or whose key it is") },
        A::DeleteSession => Operation { codes: &[Code::Forbidden],
            ..of("delete_session", "Keys and applications", "Sign a browser out: remove the cookie, whether it is good or not") },

        A::CreateApplication => Operation { takes: Optional("NewApplication"), gives: Json("Application"),
            ..of("create_application", "Keys and applications", "Make an application, with a first admin key") },
        A::ListApplications => Operation { query: PAGED, gives: Json("List_Application"), codes: &[Code::InvalidCursor],
            ..of("list_applications", "Keys and applications", "List the applications") },
        A::DeleteApplication => Operation { gives: Json("Application"), codes: &[Code::NotFound],
            more: Some("Its keys are void and its id is free at once; its data are purged by the scheduled jobs. The application \
                `default` can't be deleted."),
            ..of("delete_application", "Keys and applications", "Delete an application with all that it holds") },
        A::CreateKey => Operation { takes: Required("NewKey"), gives: Json("Key"), codes: &[Code::InvalidTimestamp],
            ..of("create_key", "Keys and applications", "Make a key; it is shown only here") },
        A::ListKeys => Operation { query: &["cursor", "limit"], gives: Json("List_Key"), codes: &[Code::InvalidCursor],
            ..of("list_keys", "Keys and applications", "List the keys, revoked ones too") },
        A::RevokeKey => Operation { gives: Json("Key"), codes: &[Code::NotFound],
            ..of("revoke_key", "Keys and applications", "Revoke a key") },
        A::Reconcile => Operation { query: &["one_use_case", "cursor"], gives: Json("ReconcileReport"),
            codes: &[Code::InvalidUseCaseName, Code::UseCaseNotFound, Code::InvalidCursor],
            ..of("reconcile", "Administration", "Recount the aggregates from the record of truth, and repair what differs") },
        A::Rebuild => Operation { query: &["rebuilt_use_case", "cursor"], gives: Json("RebuildReport"),
            codes: &[Code::InvalidUseCaseName, Code::UseCaseNotFound, Code::InvalidCursor],
            more: Some("In portions, from the latest day to the earliest, while reads and writes go on. What is not done within 20 seconds \
                is not `complete`: ask again with the `cursor`."),
            ..of("rebuild", "Administration", "Replace the aggregates of a use case type by what the record of truth says") },

        A::CreateDefinition => Operation { takes: Required("NewDefinition"), gives: Json("Definition"),
            codes: &[Code::InvalidUseCaseName, Code::LimitsNotSupported],
            ..of("create_definition", "Use case types", "Make a use case type; an existing one is answered as it is") },
        A::ListDefinitions => Operation { query: &["cursor", "limit", "sort_ascending", "use_case_name"],
            gives: Json("List_Definition"), codes: &[Code::InvalidCursor],
            ..of("list_definitions", "Use case types", "List the use case types") },
        A::GetDefinition => Operation { gives: Json("Definition"), ..of("get_definition", "Use case types", "A use case type") },
        A::UpdateDefinition => Operation { takes: Optional("DefinitionChange"), gives: Json("Definition"),
            codes: &[Code::LimitsNotSupported],
            ..of("update_definition", "Use case types", "Change a use case type") },
        A::DeleteDefinition => Operation { gives: Json("Definition"),
            ..of("delete_definition", "Use case types", "Delete a use case type with all that it holds") },
        A::IncrementVersion => Operation { takes: Optional("NewVersion"), headers: &["Idempotency-Key"], gives: Json("Definition"),
            codes: &[Code::InvalidTimestamp, Code::IdempotencyKeyReused],
            ..of("increment_version", "Use case types", "Raise the version of a use case type") },
        A::LimitConfig => Operation { gives: Gives::Refusal, codes: &[Code::LimitsNotSupported],
            ..of("limit_config", "Not supported", "Spending limits: this service sees scores, not the cost of requests") },

        A::CreateKpi => Operation { takes: Required("NewKpi"), gives: WithRequestId("Kpi"),
            codes: &[Code::InvalidKpiName, Code::GoalOutOfRange, Code::KpiAlreadyExists],
            ..of("create_kpi", "KPIs", "Make a KPI, and its use case type if there is none; an existing one is answered as it is") },
        A::ListKpis => Operation { query: &["cursor", "limit", "sort_ascending", "kpi_name", "kpi_id"],
            gives: Json("List_KpiWithRequestId"), codes: &[Code::InvalidCursor],
            ..of("list_kpis", "KPIs", "List the KPIs of a use case type") },
        A::GetKpi => Operation { query: &["include"], gives: WithRequestId("Kpi"), codes: &[Code::InvalidFilter],
            ..of("get_kpi", "KPIs", "A KPI") },
        A::UpdateKpi => Operation { takes: Optional("KpiChange"), gives: WithRequestId("Kpi"),
            codes: &[Code::InvalidKpiName, Code::GoalOutOfRange, Code::KpiAlreadyExists, Code::ScoresIncompatible],
            ..of("update_kpi", "KPIs", "Change a KPI; it keeps its id, scores and history") },
        A::DeleteKpi => Operation { gives: WithRequestId("Kpi"), ..of("delete_kpi", "KPIs", "Delete a KPI with its scores") },

        A::ListInstances => Operation {
            query: &["cursor", "limit", "sort_ascending", "search", "from", "to", "time_zone", "version", "properties"],
            gives: Json("List_Instance"), codes: &[Code::InvalidCursor, Code::InvalidFilter],
            ..of("list_instances", "Instances", "List the instances of a use case type") },
        A::CreateInstance => Operation { query: &["use_case_id"], headers: &["Idempotency-Key", "xProxy-UseCase-Version"],
            takes: Optional("NewInstance"), gives: Json("Instance"),
            codes: &[Code::InvalidTimestamp, Code::InstanceInOtherUseCase, Code::IdempotencyKeyReused, Code::InvalidUseCaseId],
            ..of("create_instance", "Instances", "Make an instance of a use case type; an existing one is answered as it is") },
        A::GetInstance => Operation { gives: Json("Instance"), ..of("get_instance", "Instances", "An instance") },
        A::DeleteInstance => Operation { gives: Json("Instance"),
            ..of("delete_instance", "Instances", "Delete an instance with its scores") },
        A::SetProperties => Operation { headers: VERSION_HEADER, takes: Required("PropertyChange"), gives: Json("Instance"),
            codes: &[Code::InstanceInOtherUseCase],
            ..of("set_properties", "Instances", "Set and remove properties of an instance") },
        A::ListProperties => Operation { gives: Json("List_PropertyKey"),
            ..of("list_properties", "Instances", "The property keys of a use case type, with their values") },

        A::ListScores => Operation { query: &["cursor", "limit", "sort_ascending", "kpi_name", "kpi_id"],
            gives: Json("List_Score"), codes: &[Code::InvalidCursor],
            ..of("list_scores", "Scores", "List the scores that an instance holds") },
        A::WriteScore => Operation { headers: VERSION_HEADER, takes: Optional("NewScore"),
            codes: &[Code::ScoreOutOfRange, Code::InvalidTimestamp, Code::InstanceInOtherUseCase],
            ..of("write_score", "Scores", "Set a score, or clear it") },
        A::ClearScore => Operation { headers: VERSION_HEADER, codes: &[Code::InstanceInOtherUseCase],
            ..of("clear_score", "Scores", "Clear a score") },
        A::IncrementScore => Operation { headers: &["Idempotency-Key", "xProxy-UseCase-Version"], takes: Required("Increment"),
            gives: Json("NewValue"),
            codes: &[Code::ScoreOutOfRange, Code::InvalidTimestamp, Code::InstanceInOtherUseCase, Code::IdempotencyKeyReused],
            ..of("increment_score", "Scores", "Add to the score of a number KPI") },
        A::BulkScores => Operation { headers: VERSION_HEADER, takes: OrTable("NewScores"), gives: Json("BulkReport"),
            ..of("write_scores", "Scores", "Set many scores, as JSON or as a table") },
        A::ExportScores => Operation {
            query: &["export_format", "from", "to", "time_zone", "version", "kpi", "properties", "rows", "cursor"],
            gives: Export("List_ExportedScore"), codes: &[Code::InvalidCursor, Code::InvalidFilter, Code::KpiNotFound],
            ..of("export_scores", "Scores", "All scores of a use case type, in one answer of whatever length") },

        A::Overview => Operation {
            query: &["from", "to", "granularity", "time_zone", "version", "kpi", "properties", "cursor", "limit", "sort_ascending"],
            gives: Json("Overview"), codes: &[Code::InvalidCursor, Code::InvalidFilter, Code::TooManyRows, Code::TooManyBuckets],
            ..of("get_overview", "Dashboards", "The headline figures of every use case type") },
        A::Dashboard => Operation {
            query: &["from", "to", "granularity", "time_zone", "version", "kpi", "properties", "format"],
            gives: OrCsv("Dashboard"), codes: FIGURES,
            ..of("get_dashboard", "Dashboards", "The whole picture of a use case type") },
        A::Compare => Operation {
            query: &["by", "baseline", "candidate", "baseline_from", "baseline_to", "at", "window", "key", "value", "alpha", "from",
                "to", "granularity", "time_zone", "version", "kpi", "properties"],
            gives: Json("Comparisons"), codes: FIGURES,
            ..of("compare", "Dashboards", "Compare versions, periods, moments, property values, use cases or benchmarks") },
        A::Breakdown => Operation {
            query: &["breakdown_by", "alpha", "from", "to", "granularity", "time_zone", "version", "kpi", "properties"],
            gives: WithRequestId("Breakdown"), codes: FIGURES,
            ..of("get_breakdown", "Dashboards", "Every version, or every value of a property, side by side") },
        A::Regressions => Operation {
            query: &["alpha", "from", "to", "granularity", "time_zone", "version", "kpi", "properties"],
            gives: WithRequestId("Regressions"), codes: FIGURES,
            ..of("get_regressions", "Dashboards", "What got significantly worse after an event") },

        A::CreateEvent => Operation { takes: Required("NewEvent"), gives: WithRequestId("ComparedEvent"),
            codes: &[Code::InvalidTimestamp],
            ..of("create_event", "Events", "Make an event, and see every KPI before and after") },
        A::ListEvents => Operation { query: PAGED, gives: Json("List_ListedEvent"), codes: &[Code::InvalidCursor],
            ..of("list_events", "Events", "List the events of a use case type") },
        A::DeleteEvent => Operation { gives: WithRequestId("ComparedEvent"), codes: &[Code::NotFound],
            ..of("delete_event", "Events", "Delete an event") },

        A::NotSupported => Operation { gives: Gives::Refusal, codes: &[Code::NotSupported],
            ..of("not_supported", "Not supported", "Calls of the SDKs that this service does not do; so is every path below") },
    }
}
