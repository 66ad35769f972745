//! The HTTP API: from a request to its answer. The URL map is `routes`, one file a resource, one place that turns a refusal
//! into a response (`answer`). Nothing here writes scores or aggregates; that is the object's work.

mod accounts;
mod analysis;
mod answer;
mod auth;
mod body;
mod csv;
mod dashboards;
mod definitions;
mod docs;
mod events;
mod exports;
mod imports;
mod instances;
mod kpis;
#[cfg(test)]
mod openapi;
mod query;
mod routes;
mod scores;
mod table;
mod types;

use uuid::Uuid;
use worker::{Env, Request, Response};

use crate::config::{BODY_BYTES_MAX, DATABASE_BINDING, IMPORT_BYTES_MAX};
use crate::domain::refusal::{Code, Refusal};
use crate::storage::{Database, StorageError};
use answer::Answer;
use auth::Caller;
use body::Body;
use query::Query;
use routes::{Access, Action, Found, Parameters};

/// What a handler knows of its request.
pub struct Context<'a> {
    pub env: &'a Env,
    pub database: Database,
    pub now_ms: i64,
    pub request_id: String,
    pub caller: Caller,
    pub action: Action,
    pub parameters: Parameters,
    pub query: Query,
    pub body: Body,
    pub idempotency_key: Option<String>,
    pub version: Option<String>,
}

/// Answers a request. Never fails: what goes wrong becomes an answer.
pub async fn handle(mut request: Request, env: &Env) -> worker::Result<Response> {
    let started_ms = now_ms();
    let request_id = format!("req_{}", new_id());
    // Not `request.method()`, which takes every method that it does not know for GET.
    let method = request.inner().method();
    let url = request.url()?;
    let found = routes::find(&method, url.path());
    let pattern = found.as_ref().map_or("", |found| found.pattern);
    let (application_no, answer) = match respond(&mut request, env, &request_id, found, started_ms).await {
        Ok((application_no, answer)) => (application_no, Ok(answer)),
        Err((application_no, refusal)) => (application_no, Err(refusal)),
    };
    let is_elsewhere = matches!(&answer, Err(refusal) if refusal.code == Code::MethodNotAllowed);
    let mut response = answer::respond(answer, &request_id, &method)?;
    if is_elsewhere {
        response.headers_mut().set("allow", &routes::allowed(url.path()).join(", "))?;
    }
    worker::console_log!(
        "{}",
        serde_json::json!({"level": "info", "event": "request", "request_id": request_id, "method": method,
            "route": pattern, "application_no": application_no, "status": response.status_code(),
            "duration_ms": now_ms() - started_ms})
    );
    Ok(response)
}

type Handled = Result<(Option<i64>, Answer), (Option<i64>, Refusal)>;

async fn respond(
    request: &mut Request,
    env: &Env,
    request_id: &str,
    found: Result<Found, Refusal>,
    now_ms: i64,
) -> Handled {
    let nobody = |refusal: Refusal| (None, refusal);
    if let Ok(Found { action: Action::Health, .. }) = &found {
        return Ok((None, Answer::json(r#"{"status":"ok"}"#.to_owned())));
    }
    if let Err(refusal) = &found
        && routes::is_public(request.url().map(|url| url.path().to_owned()).unwrap_or_default().as_str())
    {
        return Err(nobody(refusal.clone()));
    }
    if let Ok(Found { action: Action::OpenApi | Action::Docs, .. }) = &found {
        let path = request.url().map(|url| url.path().to_owned()).unwrap_or_default();
        return docs::serve(env, &path).await.map(|answer| (None, answer)).map_err(nobody);
    }
    let database = env
        .d1(DATABASE_BINDING)
        .map(Database::new)
        .map_err(|_| nobody(Refusal::new(Code::Unavailable, "the database is not bound")))?;
    let key = auth::presented_key(request.headers());
    let caller = auth::authenticate(env, &database, key.as_deref(), now_ms).await.map_err(nobody)?;
    let application_no = Some(caller.application_no);
    let somebody = |refusal: Refusal| (application_no, refusal);
    let Found { action, access, parameters, .. } = found.map_err(somebody)?;
    caller.check(access).map_err(somebody)?;
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let (content_type, idempotency_key, version) =
        (header("content-type"), header("idempotency-key"), header("xproxy-usecase-version"));
    let query = Query::parse(request.url().ok().and_then(|url| url.query().map(str::to_owned)).as_deref());
    let body = read_body(request, action, content_type).await.map_err(somebody)?;
    let context = Context {
        env,
        database,
        now_ms,
        request_id: request_id.to_owned(),
        caller,
        action,
        parameters,
        query,
        body,
        idempotency_key,
        version,
    };
    run(&context, action).await.map(|answer| (application_no, answer)).map_err(somebody)
}

async fn run(context: &Context<'_>, action: Action) -> Result<Answer, Refusal> {
    match action {
        Action::Health => Ok(Answer::json(r#"{"status":"ok"}"#.to_owned())),
        Action::OpenApi => docs::serve(context.env, docs::DOCUMENT).await,
        Action::Docs => docs::serve(context.env, docs::PAGE).await,
        Action::CreateApplication => accounts::create_application(context).await,
        Action::ListApplications => accounts::list_applications(context).await,
        Action::CreateKey => accounts::create_key(context).await,
        Action::ListKeys => accounts::list_keys(context).await,
        Action::RevokeKey => accounts::revoke_key(context).await,
        Action::Reconcile => dashboards::reconcile(context).await,
        Action::CreateDefinition => definitions::create(context).await,
        Action::ListDefinitions => definitions::list(context).await,
        Action::GetDefinition => definitions::get(context).await,
        Action::UpdateDefinition => definitions::update(context).await,
        Action::DeleteDefinition => definitions::delete(context).await,
        Action::IncrementVersion => definitions::increment_version(context).await,
        Action::LimitConfig => Err(definitions::limits_not_supported()),
        Action::CreateKpi => kpis::create(context).await,
        Action::ListKpis => kpis::list(context).await,
        Action::GetKpi => kpis::get(context).await,
        Action::UpdateKpi => kpis::update(context).await,
        Action::DeleteKpi => kpis::delete(context).await,
        Action::ListInstances => instances::list(context).await,
        Action::CreateInstance => instances::create(context).await,
        Action::GetInstance => instances::get(context).await,
        Action::DeleteInstance => instances::delete(context).await,
        Action::SetProperties => instances::set_properties(context).await,
        Action::ListScores => scores::list(context).await,
        Action::WriteScore => scores::write(context).await,
        Action::ClearScore => scores::clear(context).await,
        Action::IncrementScore => scores::increment(context).await,
        Action::BulkScores => imports::write(context).await,
        Action::ExportScores => exports::scores(context).await,
        Action::Dashboard => dashboards::one(context).await,
        Action::Overview => dashboards::overview(context).await,
        Action::Compare => analysis::compare_sides(context).await,
        Action::Breakdown => analysis::breakdown(context).await,
        Action::Regressions => analysis::regressions(context).await,
        Action::CreateEvent => events::create(context).await,
        Action::ListEvents => events::list(context).await,
        Action::DeleteEvent => events::delete(context).await,
        Action::ListProperties => dashboards::properties(context).await,
        Action::NotSupported => Err(Refusal::new(
            Code::NotSupported,
            "Edge KPI records and shows KPIs; it does not ingest requests, meter costs or manage limits, categories or experiences",
        )),
    }
}

async fn read_body(
    request: &mut Request,
    action: Action,
    content_type: Option<String>,
) -> Result<Body, Refusal> {
    let is_import = action == Action::BulkScores && table::Format::of(content_type.as_deref()).is_some();
    let (what, bytes_max) =
        if is_import { ("an import", IMPORT_BYTES_MAX) } else { ("a request body", BODY_BYTES_MAX) };
    let too_large = || Refusal::new(Code::PayloadTooLarge, format!("{what} is at most {bytes_max} bytes"));
    let announced = request.headers().get("content-length").ok().flatten().and_then(|n| n.parse().ok());
    if announced.is_some_and(|length: usize| length > bytes_max) {
        return Err(too_large());
    }
    if matches!(request.method(), worker::Method::Get | worker::Method::Head) {
        return Ok(Body::default());
    }
    let bytes = request
        .bytes()
        .await
        .map_err(|_| Refusal::new(Code::InvalidRequest, "the request body can't be read"))?;
    if bytes.len() > bytes_max {
        return Err(too_large());
    }
    Ok(Body { bytes, content_type })
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    i64::try_from(worker::Date::now().as_millis()).unwrap_or_default()
}

/// A UUIDv7, without hyphens.
pub fn new_id() -> String {
    Uuid::now_v7().simple().to_string()
}

/// A failure of D1, as the caller may know it; logged here, once.
pub fn storage_failed(error: StorageError) -> Refusal {
    worker::console_error!(
        "{}",
        serde_json::json!({"level": "error", "event": "storage_failed", "cause": format!("{error:?}")})
    );
    crate::aggregator::core::unavailable()
}

impl Access {
    /// Whether a role may do it.
    pub fn allows(self, role: auth::Role, root: bool) -> bool {
        use auth::Role::{Admin, Editor, Ingest, Read};
        match self {
            Self::Anyone => true,
            Self::ReadData => true,
            Self::ReadDashboards => matches!(role, Read | Editor | Admin),
            Self::WriteScores => matches!(role, Ingest | Editor | Admin),
            Self::Define => matches!(role, Editor | Admin),
            Self::Administer => matches!(role, Admin),
            Self::Root => root,
        }
    }
}
