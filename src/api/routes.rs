//! The URL map: every route once, with what it takes to use it.

use std::sync::OnceLock;

use crate::domain::refusal::{Code, Refusal, shown};

/// What a route needs its caller to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Anyone,
    /// Definitions, instances and scores.
    ReadData,
    /// Dashboards and exports.
    ReadDashboards,
    /// Instances, properties and scores.
    WriteScores,
    /// Definitions of use case types and KPIs.
    Define,
    Administer,
    /// `ROOT_API_KEY` only.
    Root,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Health,
    OpenApi,
    Docs,
    Portal,
    PortalFile,
    CreateSession,
    GetSession,
    DeleteSession,
    CreateApplication,
    ListApplications,
    DeleteApplication,
    CreateKey,
    ListKeys,
    RevokeKey,
    Reconcile,
    Rebuild,
    CreateDefinition,
    ListDefinitions,
    GetDefinition,
    UpdateDefinition,
    DeleteDefinition,
    IncrementVersion,
    LimitConfig,
    CreateKpi,
    ListKpis,
    GetKpi,
    UpdateKpi,
    DeleteKpi,
    ListInstances,
    CreateInstance,
    GetInstance,
    DeleteInstance,
    SetProperties,
    ListScores,
    WriteScore,
    ClearScore,
    IncrementScore,
    BulkScores,
    ExportScores,
    Dashboard,
    Overview,
    Compare,
    Breakdown,
    Regressions,
    CreateEvent,
    ListEvents,
    DeleteEvent,
    ListProperties,
    NotSupported,
}

type Route = (&'static str, &'static str, Access, Action);

const DEFINITIONS: &str = "/api/v1/use_cases/definitions";

/// Method, path, access, action. `*` stands for any method, `**` for any rest of the path. The first that fits is taken.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    ("GET", "/health", Access::Anyone, Action::Health),
    ("GET", "/openapi.json", Access::Anyone, Action::OpenApi),
    ("GET", "/docs/**", Access::Anyone, Action::Docs),
    ("GET", "/", Access::Anyone, Action::Portal),
    ("GET", "/keys", Access::Anyone, Action::Portal),
    ("GET", "/use-cases/**", Access::Anyone, Action::Portal),
    ("GET", "/portal/**", Access::Anyone, Action::PortalFile),

    ("POST", "/api/v1/session", Access::Anyone, Action::CreateSession),
    ("GET", "/api/v1/session", Access::ReadData, Action::GetSession),
    ("DELETE", "/api/v1/session", Access::Anyone, Action::DeleteSession),

    ("POST", "/api/v1/applications", Access::Root, Action::CreateApplication),
    ("GET", "/api/v1/applications", Access::Root, Action::ListApplications),
    ("DELETE", "/api/v1/applications/{application_id}", Access::Root, Action::DeleteApplication),
    ("POST", "/api/v1/keys", Access::Administer, Action::CreateKey),
    ("GET", "/api/v1/keys", Access::Administer, Action::ListKeys),
    ("DELETE", "/api/v1/keys/{key_id}", Access::Administer, Action::RevokeKey),
    ("POST", "/api/v1/admin/reconcile", Access::Administer, Action::Reconcile),
    ("POST", "/api/v1/admin/rebuild", Access::Administer, Action::Rebuild),

    ("POST", "/api/v1/use_cases/definitions", Access::Define, Action::CreateDefinition),
    ("GET", "/api/v1/use_cases/definitions", Access::ReadData, Action::ListDefinitions),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}", Access::ReadData, Action::GetDefinition),
    ("PUT", "/api/v1/use_cases/definitions/{use_case_name}", Access::Define, Action::UpdateDefinition),
    ("DELETE", "/api/v1/use_cases/definitions/{use_case_name}", Access::Define, Action::DeleteDefinition),
    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/increment_version", Access::Define, Action::IncrementVersion),
    ("*", "/api/v1/use_cases/definitions/{use_case_name}/limit_config", Access::ReadData, Action::LimitConfig),

    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/kpis", Access::Define, Action::CreateKpi),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/kpis", Access::ReadData, Action::ListKpis),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/kpis/{kpi}", Access::ReadData, Action::GetKpi),
    ("PUT", "/api/v1/use_cases/definitions/{use_case_name}/kpis/{kpi}", Access::Define, Action::UpdateKpi),
    ("DELETE", "/api/v1/use_cases/definitions/{use_case_name}/kpis/{kpi}", Access::Define, Action::DeleteKpi),

    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/instances", Access::ReadData, Action::ListInstances),
    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/scores", Access::WriteScores, Action::BulkScores),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/scores", Access::ReadDashboards, Action::ExportScores),

    ("POST", "/api/v1/use_cases/definitions/{use_case_name}/events", Access::Define, Action::CreateEvent),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/events", Access::ReadData, Action::ListEvents),
    ("DELETE", "/api/v1/use_cases/definitions/{use_case_name}/events/{event_id}", Access::Define, Action::DeleteEvent),
    ("GET", "/api/v1/use_cases/definitions/{use_case_name}/properties", Access::ReadData, Action::ListProperties),

    // G1 and G2: an instance by its id alone. `kpis` and `properties` are no instance ids, which keeps them apart from G3.
    ("GET", "/api/v1/use_cases/instances/{use_case_id}/kpis", Access::ReadData, Action::ListScores),
    ("POST", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}", Access::WriteScores, Action::WriteScore),
    ("PUT", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}", Access::WriteScores, Action::WriteScore),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}", Access::WriteScores, Action::ClearScore),
    ("POST", "/api/v1/use_cases/instances/{use_case_id}/kpis/{kpi}/increment", Access::WriteScores, Action::IncrementScore),
    ("POST", "/api/v1/use_cases/instances/{use_case_id}/properties", Access::WriteScores, Action::SetProperties),
    ("PUT", "/api/v1/use_cases/instances/{use_case_id}/properties", Access::WriteScores, Action::SetProperties),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}", Access::WriteScores, Action::CreateInstance),
    ("GET", "/api/v1/use_cases/instances/{use_case_id}", Access::ReadData, Action::GetInstance),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_id}", Access::WriteScores, Action::DeleteInstance),

    // G3 and G4: an instance under its type.
    ("GET", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}", Access::ReadData, Action::GetInstance),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}", Access::WriteScores, Action::DeleteInstance),
    ("GET", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis", Access::ReadData, Action::ListScores),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}", Access::WriteScores, Action::WriteScore),
    ("PUT", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}", Access::WriteScores, Action::WriteScore),
    ("DELETE", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}", Access::WriteScores, Action::ClearScore),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/kpis/{kpi}/increment", Access::WriteScores, Action::IncrementScore),
    ("POST", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/properties", Access::WriteScores, Action::SetProperties),
    ("PUT", "/api/v1/use_cases/instances/{use_case_name}/{use_case_id}/properties", Access::WriteScores, Action::SetProperties),

    ("GET", "/api/v1/dashboard", Access::ReadDashboards, Action::Overview),
    ("GET", "/api/v1/dashboard/{use_case_name}", Access::ReadDashboards, Action::Dashboard),
    ("GET", "/api/v1/dashboard/{use_case_name}/compare", Access::ReadDashboards, Action::Compare),
    ("GET", "/api/v1/dashboard/{use_case_name}/breakdown", Access::ReadDashboards, Action::Breakdown),
    ("GET", "/api/v1/dashboard/{use_case_name}/regressions", Access::ReadDashboards, Action::Regressions),

    // What else the SDKs can call.
    ("*", "/api/v1/ingest/**", Access::ReadData, Action::NotSupported),
    ("*", "/api/v1/limits/**", Access::ReadData, Action::NotSupported),
    ("*", "/api/v1/categories/**", Access::ReadData, Action::NotSupported),
    ("*", "/api/v1/requests/**", Access::ReadData, Action::NotSupported),
    ("*", "/api/v1/experiences/**", Access::ReadData, Action::NotSupported),
];

/// The variable parts of a path, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pub use_case_name: Option<String>,
    pub use_case_id: Option<String>,
    pub kpi: Option<String>,
    pub key_id: Option<String>,
    pub event_id: Option<String>,
    pub application_id: Option<String>,
}

/// A route that fits a request.
#[derive(Debug)]
pub struct Found {
    pub pattern: &'static str,
    pub action: Action,
    pub access: Access,
    pub parameters: Parameters,
}

/// The route of a request: `not_found` if no path fits, `method_not_allowed` if only other methods do.
pub fn find(method: &str, path: &str) -> Result<Found, Refusal> {
    for ((route_method, pattern, access, action), parameters) in fitting(method, path) {
        // HEAD is GET without a body.
        let fits =
            *route_method == "*" || *route_method == method || (method == "HEAD" && *route_method == "GET");
        if fits {
            return Ok(Found { pattern, action: *action, access: *access, parameters: parameters? });
        }
    }
    let allowed = allowed(method, path);
    if allowed.is_empty() {
        Err(Refusal::new(
            Code::NotFound,
            format!(
                "there is nothing at {}; docs/API.md lists what is, starting with {DEFINITIONS}",
                shown(path)
            ),
        ))
    } else {
        Err(Refusal::new(
            Code::MethodNotAllowed,
            format!("{} is not allowed here; allowed: {}", shown(method), allowed.join(", ")),
        ))
    }
}

/// The methods that a path has, taken as a request with this method means it; none where there is nothing.
pub fn allowed(asked: &str, path: &str) -> Vec<&'static str> {
    let mut methods = Vec::new();
    for ((method, ..), _) in fitting(asked, path) {
        if !methods.contains(method) {
            methods.push(*method);
        }
    }
    methods
}

/// Whether what is at a path needs no key.
pub fn is_public(path: &str) -> bool {
    fitting("GET", path).any(|((.., access, _), _)| *access == Access::Anyone)
}

/// The routes that a path fits, whatever their method. A slash at the end is forgiven, but not where something would be changed or go:
/// `DELETE …/kpis/..` reaches the service as `DELETE …/`, made shorter on the way, and must not mean the use case.
fn fitting(asked: &str, path: &str) -> impl Iterator<Item = (&'static Route, Result<Parameters, Refusal>)> {
    let is_forgiven = !matches!(asked, "DELETE" | "PUT");
    let shorter =
        path.strip_suffix('/').filter(|rest| is_forgiven && !rest.is_empty() && !rest.ends_with('/'));
    let trimmed = shorter.unwrap_or(path);
    let segments: Vec<&str> = trimmed.split('/').collect();
    table()
        .iter()
        .filter_map(move |(route, pattern)| fit(pattern, &segments).map(|parameters| (*route, parameters)))
}

type Patterns = Vec<(&'static Route, Vec<&'static str>)>;

/// Every route with its pattern in parts, made once.
fn table() -> &'static Patterns {
    static TABLE: OnceLock<Patterns> = OnceLock::new();
    TABLE.get_or_init(|| ROUTES.iter().map(|route| (route, route.1.split('/').collect())).collect())
}

/// The name of a parameter, if that is what a part of a pattern stands for.
fn parameter(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// The parameters, if the path fits the pattern.
fn fit(pattern: &[&str], segments: &[&str]) -> Option<Result<Parameters, Refusal>> {
    if pattern.last() == Some(&"**") {
        let before = pattern.get(..pattern.len() - 1)?;
        return segments.starts_with(before).then(|| Ok(Parameters::default()));
    }
    let fits = |(part, segment): (&&str, &&str)| match parameter(part) {
        None => part == segment,
        Some("use_case_id") => !matches!(*segment, "kpis" | "properties"),
        Some(_) => true,
    };
    if pattern.len() != segments.len() || !pattern.iter().zip(segments).all(fits) {
        return None;
    }
    let mut parameters = Parameters::default();
    for (part, segment) in pattern.iter().zip(segments) {
        let Some(name) = parameter(part) else { continue };
        let Ok(decoded) = percent_encoding::percent_decode_str(segment).decode_utf8() else {
            return Some(Err(Refusal::new(
                Code::InvalidRequest,
                "the path is not valid UTF-8 after percent-decoding",
            )));
        };
        let place = match name {
            "use_case_name" => &mut parameters.use_case_name,
            "use_case_id" => &mut parameters.use_case_id,
            "kpi" => &mut parameters.kpi,
            "event_id" => &mut parameters.event_id,
            "application_id" => &mut parameters.application_id,
            _ => &mut parameters.key_id,
        };
        *place = Some(decoded.into_owned());
    }
    Some(Ok(parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        method: &str,
        path: &str,
        action: Action,
        name: Option<&str>,
        id: Option<&str>,
        kpi: Option<&str>,
    ) {
        let path = format!("/api/v1/use_cases{path}");
        let found = find(method, &path).unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
        let own = |text: Option<&str>| text.map(str::to_owned);
        let expect = Parameters {
            use_case_name: own(name),
            use_case_id: own(id),
            kpi: own(kpi),
            ..Parameters::default()
        };
        assert_eq!((found.action, found.parameters), (action, expect), "{method} {path}");
    }

    #[test]
    fn the_four_dialects_are_kept_apart() {
        check("POST", "/instances/Chat", Action::CreateInstance, Some("Chat"), None, None);
        check("GET", "/instances/i1", Action::GetInstance, None, Some("i1"), None);
        check("GET", "/instances/i1/kpis", Action::ListScores, None, Some("i1"), None);
        check("PUT", "/instances/i1/kpis/kpis", Action::WriteScore, None, Some("i1"), Some("kpis"));
        check("POST", "/instances/i1/kpis/K/increment", Action::IncrementScore, None, Some("i1"), Some("K"));
        check("POST", "/instances/i1/properties", Action::SetProperties, None, Some("i1"), None);
        check("GET", "/instances/T/i1", Action::GetInstance, Some("T"), Some("i1"), None);
        check("GET", "/instances/T/i1/kpis", Action::ListScores, Some("T"), Some("i1"), None);
        check("PUT", "/instances/T/i1/kpis/K", Action::WriteScore, Some("T"), Some("i1"), Some("K"));
        check("DELETE", "/instances/T/i1/kpis/K", Action::ClearScore, Some("T"), Some("i1"), Some("K"));
        check(
            "POST",
            "/instances/T/i1/kpis/K/increment",
            Action::IncrementScore,
            Some("T"),
            Some("i1"),
            Some("K"),
        );
        check("PUT", "/instances/T/i1/properties", Action::SetProperties, Some("T"), Some("i1"), None);
    }

    #[test]
    fn names_are_decoded() {
        check("GET", "/definitions/T/scores", Action::ExportScores, Some("T"), None, None);
        check("POST", "/definitions/T/scores", Action::BulkScores, Some("T"), None, None);
        check(
            "PUT",
            "/instances/T/a%3Ab/kpis/Conversion%20$%20Value",
            Action::WriteScore,
            Some("T"),
            Some("a:b"),
            Some("Conversion $ Value"),
        );
        check(
            "GET",
            "/definitions/T/kpis/50%25%20Gr%C3%B6%C3%9Fe",
            Action::GetKpi,
            Some("T"),
            None,
            Some("50% Größe"),
        );
        check("GET", "/definitions/T/kpis/50%", Action::GetKpi, Some("T"), None, Some("50%"));
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let code =
            |method, path| find(method, path).map(|found| found.action).map_err(|refusal| refusal.code);
        assert_eq!(code("GET", "/nowhere"), Err(Code::NotFound));
        assert_eq!(code("PATCH", "/api/v1/use_cases/definitions"), Err(Code::MethodNotAllowed));
        assert_eq!(code("DELETE", "/api/v1/use_cases/instances/i/kpis"), Err(Code::MethodNotAllowed));
        assert_eq!(code("GET", "/api/v1/use_cases/definitions/%FF"), Err(Code::InvalidRequest));
        assert_eq!(code("HEAD", "/health"), Ok(Action::Health));
        assert_eq!(code("QUERY", "/health"), Err(Code::MethodNotAllowed));
        assert_eq!(allowed("GET", "/api/v1/use_cases/definitions/T"), ["GET", "PUT", "DELETE"]);
        assert!(allowed("GET", "/nowhere").is_empty());
        assert_eq!(code("GET", "/docs"), Ok(Action::Docs));
        for page in ["/", "/keys", "/keys/", "/use-cases", "/use-cases/Chat-Bot/compare", "/use-cases/%FF"] {
            assert_eq!(code("GET", page), Ok(Action::Portal), "{page}");
        }
        assert_eq!(code("POST", "/"), Err(Code::MethodNotAllowed));
        assert_eq!(code("GET", "//"), Err(Code::NotFound));
        assert_eq!(code("GET", "/portal/index-a.js"), Ok(Action::PortalFile));
        assert_eq!(allowed("GET", "/api/v1/session"), ["POST", "GET", "DELETE"]);
        assert_eq!(code("GET", "/docs/swagger-ui.css"), Ok(Action::Docs));
        assert_eq!(code("POST", "/api/v1/ingest"), Ok(Action::NotSupported));
        assert_eq!(code("POST", "/api/v1/ingest/bulk"), Ok(Action::NotSupported));
        assert_eq!(code("GET", "/api/v1/dashboard/"), Ok(Action::Overview));
        assert_eq!(code("DELETE", "/api/v1/use_cases/definitions/T/"), Err(Code::NotFound));
        assert_eq!(code("PUT", "/api/v1/use_cases/definitions/T/"), Err(Code::NotFound));
    }
}
