//! The HTTP API: from a request to its answer. The URL map is `routes`, one file a resource, one place that turns a refusal
//! into a response (`answer`). Nothing here writes scores or aggregates; that is the object's work.

mod accounts;
mod admin;
mod admission;
mod analysis;
mod answer;
mod auth;
mod body;
mod border;
mod cache;
mod csv;
mod dashboards;
mod definitions;
mod docs;
mod events;
mod exports;
mod exposure;
#[cfg(test)]
mod fuzz;
mod imports;
mod instances;
mod json;
mod kpis;
#[cfg(test)]
mod openapi;
mod query;
mod rates;
pub mod routes;
mod scores;
mod sessions;
mod table;
mod types;

use std::cell::Cell;
use std::rc::Rc;

use futures_util::StreamExt;
use serde::Serialize;
use uuid::Uuid;
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::Uint8Array;
use worker::{Env, web_sys};

use crate::config::{BODY_BYTES_MAX, IMPORT_BYTES_MAX, SIGN_IN_BYTES_MAX};
use crate::domain::refusal::{Code, Refusal};
use crate::storage::writer::json_of;
use crate::storage::{Database, StorageError};
use answer::Answer;
use auth::{Caller, Lookup};
use body::Body;
use border::Head;
use exposure::Exposure;
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
    pub cost: Cost,
}

/// What a request has cost so far.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    pub d1_calls: Rc<Cell<u32>>,
    pub object_calls: Rc<Cell<u32>>,
}

/// Answers a request. Never fails: what goes wrong becomes an answer.
pub async fn handle(
    request: web_sys::Request,
    env: &Env,
    later: &worker::Context,
) -> worker::Result<web_sys::Response> {
    let started_ms = now_ms();
    let request_id = format!("req_{}", new_id());
    let head = Head::of(&request);
    let (method, path) = (head.method(), head.path());
    let exposure = Exposure::of(&head, env);
    if exposure.is_preflight(&head) {
        return Ok(answer::respond_to_preflight(&exposure, &request_id));
    }
    let found = routes::find(method, path);
    let route = found.as_ref().map_or("", |found| found.pattern);
    let limit = BodyLimit::of(&found, &head, &request);
    let admitted = match admission::admit(limit.expected, started_ms) {
        Ok(admitted) => admitted,
        // Without a line in the log, which would cost more than the refusal.
        Err(refusal) => return answer::respond(Err(refusal), &exposure, &request_id, method, &[]),
    };
    let mut work = Work { env, later, request_id, started_ms, application_no: None, cost: Cost::default() };
    let answer = work.respond(&request, &head, found, &limit).await.map(|answer| answer.holding(admitted));
    let cause = answer.as_ref().err().and_then(|refusal| refusal.cause.clone());
    let allowed = match &answer {
        Err(refusal) if refusal.code == Code::MethodNotAllowed => {
            Some(routes::allowed(method, path).join(", "))
        }
        _ => None,
    };
    let headers: Vec<_> = allowed.iter().map(|allowed| ("allow", allowed.as_str())).collect();
    let response = answer::respond(answer, &exposure, &work.request_id, method, &headers)?;
    work.log(method, route, response.status(), cause.as_deref());
    Ok(response)
}

/// A request under way.
struct Work<'a> {
    env: &'a Env,
    /// For what is done behind the answer.
    later: &'a worker::Context,
    request_id: String,
    started_ms: i64,
    /// Known once the caller is.
    application_no: Option<i64>,
    cost: Cost,
}

impl Work<'_> {
    /// 1. Whose key it is: 401, 429.
    /// 2. Whether the key has made too many requests: 429.
    /// 3. What it may do, and whether there is room for it: 404, 405, 403; 503.
    /// 4. The body: 400, 413.
    /// 5. The handler.
    async fn respond(
        &mut self,
        request: &web_sys::Request,
        head: &Head,
        found: Result<Found, Refusal>,
        limit: &BodyLimit,
    ) -> Result<Answer, Refusal> {
        match &found {
            Ok(Found { action: Action::Health, .. }) => {
                return Ok(Answer::json(r#"{"status":"ok"}"#.to_owned()));
            }
            Ok(Found {
                action: action @ (Action::OpenApi | Action::Docs | Action::Portal | Action::PortalFile),
                ..
            }) => return docs::serve(self.env, *action, head.path()).await,
            Ok(Found { action: Action::CreateSession, .. }) => {
                return self.sign_in(request, head, limit).await;
            }
            Ok(Found { action: Action::DeleteSession, .. }) => return sessions::delete(head),
            Err(refusal) if routes::is_public(head.path()) => return Err(refusal.clone()),
            _ => {}
        }
        // (1)
        let database = Database::counted(self.env, Rc::clone(&self.cost.d1_calls));
        let caller = self.lookup(&database, head).caller().await?;
        self.application_no = Some(caller.application_no);
        // (2)
        rates::charge(self.env, &caller, 1).await?;
        // (3)
        let Found { action, access, parameters, .. } = found?;
        caller.check(access)?;
        if access == Access::WriteScores {
            types::check_room(caller.application_no, parameters.use_case_name.as_deref(), self.started_ms)?;
        }
        // (4)
        let header = |name: &str| head.header(name).map(str::to_owned);
        let query = Query::parse(head.query())?;
        let body = read_body(request, head, limit).await?;
        // (5)
        let context = Context {
            env: self.env,
            database,
            now_ms: self.started_ms,
            request_id: self.request_id.clone(),
            caller,
            action,
            parameters,
            query,
            body,
            idempotency_key: header("idempotency-key"),
            version: header("xproxy-usecase-version"),
            cost: self.cost.clone(),
        };
        run(&context, action).await
    }

    /// The same steps for a key in the body. With the right to nothing else, so nothing is checked behind it.
    async fn sign_in(
        &mut self,
        request: &web_sys::Request,
        head: &Head,
        limit: &BodyLimit,
    ) -> Result<Answer, Refusal> {
        sessions::check_site(head)?;
        let body = sessions::SessionBody::read(&read_body(request, head, limit).await?.object()?)?;
        let database = Database::counted(self.env, Rc::clone(&self.cost.d1_calls));
        let caller = self.lookup(&database, head).owner_of(body.api_key.as_str()).await?;
        self.application_no = Some(caller.application_no);
        rates::charge(self.env, &caller, 1).await?;
        let secret = auth::root_key(self.env);
        sessions::create(&database, &caller, &secret, self.started_ms, &self.request_id).await
    }

    fn lookup<'a>(&'a self, database: &'a Database, head: &'a Head) -> Lookup<'a> {
        Lookup { env: self.env, later: self.later, database, head, now_ms: self.started_ms }
    }

    /// One line a request. It holds neither keys nor names, ids or scores of the caller.
    fn log(&self, method: &str, route: &str, status: u16, cause: Option<&str>) {
        let is_error = status >= 500 && status != 501;
        let line = json_of(&Line {
            level: if is_error { "error" } else { "info" },
            event: "request",
            request_id: &self.request_id,
            method,
            route,
            application_no: self.application_no,
            status,
            duration_ms: now_ms() - self.started_ms,
            d1_calls: self.cost.d1_calls.get(),
            object_calls: self.cost.object_calls.get(),
            cause,
        });
        if is_error {
            worker::console_error!("{line}");
        } else {
            worker::console_log!("{line}");
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    event: &'static str,
    request_id: &'a str,
    method: &'a str,
    route: &'a str,
    application_no: Option<i64>,
    status: u16,
    duration_ms: i64,
    d1_calls: u32,
    object_calls: u32,
    cause: Option<&'a str>,
}

async fn run(context: &Context<'_>, action: Action) -> Result<Answer, Refusal> {
    match action {
        // Answered before anybody is asked for a key.
        Action::Health
        | Action::OpenApi
        | Action::Docs
        | Action::Portal
        | Action::PortalFile
        | Action::CreateSession
        | Action::DeleteSession => Err(Refusal::new(Code::NotFound, "nothing is here")),
        Action::GetSession => sessions::get(context).await,
        Action::CreateApplication => accounts::create_application(context).await,
        Action::ListApplications => accounts::list_applications(context).await,
        Action::DeleteApplication => accounts::delete_application(context).await,
        Action::CreateKey => accounts::create_key(context).await,
        Action::ListKeys => accounts::list_keys(context).await,
        Action::RevokeKey => accounts::revoke_key(context).await,
        Action::Reconcile => admin::reconcile(context).await,
        Action::Rebuild => admin::rebuild(context).await,
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

/// How large the body of a request may be, and is said to be.
struct BodyLimit {
    what: &'static str,
    bytes_max: usize,
    announced: Option<usize>,
    /// Bytes to make room for: those announced, and of a body that announces nothing the most it may have.
    expected: usize,
}

impl BodyLimit {
    fn of(found: &Result<Found, Refusal>, head: &Head, request: &web_sys::Request) -> Self {
        let is_import = found.as_ref().is_ok_and(|found| found.action == Action::BulkScores)
            && table::Format::of(head.header("content-type")).is_some();
        let signs_in = found.as_ref().is_ok_and(|found| found.action == Action::CreateSession);
        let (what, bytes_max) = match (is_import, signs_in) {
            (true, _) => ("an import", IMPORT_BYTES_MAX),
            // Read before it is known who sends it.
            (_, true) => ("the body of a sign-in", SIGN_IN_BYTES_MAX),
            _ => ("a request body", BODY_BYTES_MAX),
        };
        // What is too long for a `usize` of 32 bits must not pass for not announced.
        let announced = head
            .header("content-length")
            .and_then(|length| length.parse::<u64>().ok())
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let expected = match announced {
            Some(bytes) => bytes.min(bytes_max),
            None if request.body().is_some() => bytes_max,
            None => 0,
        };
        Self { what, bytes_max, announced, expected }
    }

    fn exceeded(&self) -> Refusal {
        let Self { what, bytes_max, .. } = self;
        Refusal::new(Code::PayloadTooLarge, format!("{what} is at most {bytes_max} bytes"))
    }
}

async fn read_body(request: &web_sys::Request, head: &Head, limit: &BodyLimit) -> Result<Body, Refusal> {
    if limit.announced.is_some_and(|bytes| bytes > limit.bytes_max) {
        return Err(limit.exceeded());
    }
    if matches!(head.method(), "GET" | "HEAD") {
        return Ok(Body::default());
    }
    let is_bounded = limit.announced.is_some() && head.header("transfer-encoding").is_none();
    let bytes =
        if is_bounded { read_all(request).await } else { read_at_most(request, limit.bytes_max).await };
    let bytes = bytes.ok_or_else(|| Refusal::new(Code::InvalidRequest, "the request body can't be read"))?;
    if bytes.len() > limit.bytes_max {
        return Err(limit.exceeded());
    }
    Ok(Body { bytes, content_type: head.header("content-type").map(str::to_owned) })
}

async fn read_all(request: &web_sys::Request) -> Option<Vec<u8>> {
    let buffer = JsFuture::from(request.array_buffer().ok()?).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

/// A body whose length nobody has announced. Of a longer one a little more than `bytes_max` is read: memory is bounded, however
/// much would come.
async fn read_at_most(request: &web_sys::Request, bytes_max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if request.body().is_none() {
        return Some(bytes);
    }
    let mut chunks = worker::Request::from(Clone::clone(request)).stream().ok()?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
        if bytes.len() > bytes_max {
            break;
        }
    }
    Some(bytes)
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    i64::try_from(worker::Date::now().as_millis()).unwrap_or_default()
}

/// A UUIDv7, without hyphens.
pub fn new_id() -> String {
    Uuid::now_v7().simple().to_string()
}

/// A failure of D1, as the caller may know it, and as the log may.
pub fn storage_failed(error: StorageError) -> Refusal {
    crate::aggregator::trouble::unavailable().because(format!("{error:?}"))
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
