//! What the tests against a running service share: a client for one application, and the oracle: plain SQL over the D1 file,
//! which knows nothing of cells, epochs or objects.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// The crons, as the trigger takes them.
pub const OFTEN: &str = "*/15+*+*+*+*";
pub const DAILY: &str = "17+3+*+*+*";

/// A running service.
#[derive(Clone)]
pub struct Service {
    pub url: String,
    pub root_key: String,
    pub state_dir: PathBuf,
}

impl Service {
    /// The one that `scripts/test.sh` has started.
    pub fn from_environment() -> Self {
        let var = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test-api`"))
        };
        Self {
            url: var("EDGE_KPI_URL"),
            root_key: var("EDGE_KPI_API_KEY"),
            state_dir: var("EDGE_KPI_STATE_DIR").into(),
        }
    }

    /// The root key's own application.
    pub fn root(&self) -> App {
        App { service: self.clone(), id: "default".into(), key: self.root_key.clone() }
    }

    /// A new application, so that tests do not see each other.
    pub fn application(&self) -> App {
        let made = self.root().post("/api/v1/applications", &json!({"application_id": unique("app")})).ok();
        App {
            service: self.clone(),
            id: made["application_id"].as_str().unwrap().into(),
            key: made["admin_key"]["api_key"].as_str().unwrap().into(),
        }
    }

    pub fn database(&self) -> Connection {
        open(&self.database_file(), OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    pub fn database_file(&self) -> PathBuf {
        let folder = self.state_dir.join("v3/d1/miniflare-D1DatabaseObject");
        std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                path.extension().is_some_and(|e| e == "sqlite") && !path.ends_with("metadata.sqlite")
            })
            .unwrap()
    }
}

pub fn open(file: &Path, flags: OpenFlags) -> Connection {
    let connection = Connection::open_with_flags(file, flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

/// A name that no other test uses.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{:016x}-{}", rand::random::<u64>(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A client of one application.
#[derive(Clone)]
pub struct App {
    pub service: Service,
    pub id: String,
    pub key: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// The body of a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self.body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Checks status, code and the envelope of an error, and that its message says what is expected.
    pub fn refused(&self, status: u16, code: &str, says: &str) {
        assert_eq!(
            (self.status, self.body["xproxy_error"]["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.body["statusCode"], json!(status), "{}", self.text);
        let message = &self.body["message"];
        assert_eq!(*message, self.body["xproxy_error"]["message"]);
        // Not just anywhere: a code or a request's id may hold the same words.
        assert!(message.as_str().is_some_and(|text| text.contains(says)), "{says:?} is not in {message}");
        assert!(self.header("x-request-id").is_some());
        let definitive = status < 500 && status != 429 || status == 501;
        assert_eq!(self.header("x-should-retry"), definitive.then_some("false"), "{}", self.text);
    }
}

impl App {
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// A client with a new key.
    pub fn with_role(&self, role: &str) -> Self {
        let made = self.post("/api/v1/keys", &json!({"role": role, "name": role})).ok();
        self.with_key(made["api_key"].as_str().unwrap())
    }

    /// Runs a cron to its end, through workerd's own trigger.
    pub fn run_cron(&self, cron: &str) {
        let reply = self.get(&format!("/__scheduled?cron={cron}"));
        assert_eq!((reply.status, reply.text.as_str()), (200, "Ran scheduled event"));
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None, &[])
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(body.to_string()), &[])
    }

    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, Some(body.to_string()), &[])
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None, &[])
    }

    pub fn send(&self, method: &str, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Reply {
        self.try_send(method, path, body, headers).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// As `send`; an error where no answer came.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, String> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.service.url));
        if !self.key.is_empty() {
            request = request.header("xProxy-api-key", &self.key);
        }
        let has = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if body.is_some() && !has("content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.unwrap_or_default()).unwrap();
        let mut response = agent().run(request).map_err(|error| error.to_string())?;
        let text = response
            .body_mut()
            .with_config()
            .limit(200 << 20)
            .read_to_string()
            .map_err(|error| error.to_string())?;
        Ok(Reply {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(key, value)| (key.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned()))
                .collect(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        })
    }

    pub fn define(&self, use_case: &str, kpi: &str, kpi_type: &str, goal: f64) -> Value {
        self.define_with(
            use_case,
            &json!({"name": kpi, "kpi_type": kpi_type, "goal": goal, "description": ""}),
        )
    }

    pub fn define_with(&self, use_case: &str, kpi: &Value) -> Value {
        self.post(&format!("/api/v1/use_cases/definitions/{use_case}/kpis"), kpi).ok()
    }

    /// Records a score on the G3 path.
    pub fn score(&self, use_case: &str, instance: &str, kpi: &str, body: &Value) -> Reply {
        self.put(&format!("/api/v1/use_cases/instances/{use_case}/{instance}/kpis/{}", encode(kpi)), body)
    }

    /// Everything since 2000.
    pub fn dashboard(&self, use_case: &str) -> Value {
        self.dashboard_with(use_case, "from=2000-01-01&granularity=month")
    }

    pub fn dashboard_with(&self, use_case: &str, query: &str) -> Value {
        self.get(&format!("/api/v1/dashboard/{use_case}?{query}")).ok()
    }
}

fn agent() -> &'static ureq::Agent {
    static AGENT: std::sync::OnceLock<ureq::Agent> = std::sync::OnceLock::new();
    AGENT.get_or_init(|| {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .max_idle_connections_per_host(64)
            .allow_non_standard_methods(true)
            .build()
            .into()
    })
}

/// Percent-encodes everything but the plainest characters.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

pub fn kpi<'v>(dashboard: &'v Value, name: &str) -> &'v Value {
    dashboard["kpis"]
        .as_array()
        .unwrap()
        .iter()
        .find(|kpi| kpi["kpi_name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {dashboard}"))
}

pub fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs())
}

/// Checks every figure of a type's dashboard over all time against a recount by SQL, and so the dashboards filtered by each
/// property there is (by a few of a key with many values). Answers how many scores it saw.
pub fn check_against_recount(app: &App, use_case: &str) -> u64 {
    let seen = check_filtered(app, use_case, &[]);
    let database = app.service.database();
    let mut properties = database
        .prepare(
            "SELECT DISTINCT p.key, p.value FROM instances x JOIN use_case_types t USING (type_no) \
             JOIN applications a ON a.application_no = t.application_no, json_each(x.properties) p \
             WHERE a.application_id = ?1 AND t.name = ?2 AND t.deleted_ms IS NULL ORDER BY 1, 2",
        )
        .unwrap();
    let mut of_key: HashMap<String, u32> = HashMap::new();
    let pairs = properties.query_map((&app.id, use_case), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for pair in pairs {
        let pair: (String, String) = pair.unwrap();
        let checked = of_key.entry(pair.0.clone()).or_default();
        *checked += 1;
        if *checked <= 4 {
            check_filtered(app, use_case, &[pair]);
        }
    }
    seen
}

/// The same for the instances that have all of these properties now.
pub fn check_filtered(app: &App, use_case: &str, properties: &[(String, String)]) -> u64 {
    let mut query = "from=2000-01-01&granularity=month".to_owned();
    let mut having = String::new();
    for (key, value) in properties {
        query.push_str(&format!("&property.{}={}", encode(key), encode(value)));
        having.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM json_each(x.properties) p WHERE p.key = {} AND p.value = {})",
            quoted(key),
            quoted(value)
        ));
    }
    let shown = app.dashboard_with(use_case, &query);
    let database = app.service.database();
    let type_no: i64 = database
        .query_row(
            "SELECT t.type_no FROM use_case_types t JOIN applications a USING (application_no) \
             WHERE a.application_id = ?1 AND t.name = ?2 AND t.deleted_ms IS NULL",
            (&app.id, use_case),
            |row| row.get(0),
        )
        .unwrap();
    let count = |sql: &str| -> u64 { database.query_row(sql, [type_no], |row| row.get(0)).unwrap() };
    const LIVE: &str = "s.kpi_no IN (SELECT kpi_no FROM kpis WHERE deleted_ms IS NULL)";
    let total = count(&format!("SELECT count(*) FROM instances x WHERE type_no = ?1{having}"));
    let reviewed = count(&format!(
        "SELECT count(DISTINCT s.instance_no) FROM scores s JOIN instances x USING (type_no, instance_no) \
         WHERE s.type_no = ?1 AND {LIVE}{having}"
    ));
    assert_eq!(shown["use_cases"]["total"], json!(total), "instances of {use_case}");
    assert_eq!(shown["use_cases"]["reviewed"], json!(reviewed), "reviewed instances of {use_case}");
    let mut kpis = database
        .prepare("SELECT kpi_no, name, kpi_type, goal, direction, bucket_width FROM kpis WHERE type_no = ?1 AND deleted_ms IS NULL")
        .unwrap();
    let mut rows = kpis.query([type_no]).unwrap();
    let (mut seen, mut kpi_count) = (0, 0);
    while let Some(row) = rows.next().unwrap() {
        let kpi_no: i64 = row.get(0).unwrap();
        let name: String = row.get(1).unwrap();
        let definition = Definition {
            kpi_type: row.get(2).unwrap(),
            goal: row.get(3).unwrap(),
            lower: row.get::<_, String>(4).unwrap() == "lower_is_better",
            width: row.get(5).unwrap(),
        };
        let mut scores: Vec<f64> = database
            .prepare(&format!(
                "SELECT s.score FROM scores s JOIN instances x USING (type_no, instance_no) \
                 WHERE s.type_no = ?1 AND s.kpi_no = ?2{having}"
            ))
            .unwrap()
            .query_map((type_no, kpi_no), |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        check_kpi(kpi(&shown, &name), &definition, &mut scores);
        seen += scores.len() as u64;
        kpi_count += 1;
    }
    assert_eq!(shown["kpis"].as_array().unwrap().len(), kpi_count);
    seen
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

struct Definition {
    kpi_type: String,
    goal: f64,
    lower: bool,
    width: Option<f64>,
}

fn check_kpi(shown: &Value, definition: &Definition, scores: &mut [f64]) {
    scores.sort_by(f64::total_cmp);
    let n = scores.len();
    assert_eq!(shown["count"], json!(n), "{shown}");
    // An instance holds one score of a KPI, and all time is asked for.
    assert_eq!(shown["reviewed"]["count"], json!(n), "{shown}");
    let number = |field: &str| shown[field].as_f64();
    assert_eq!(number("minimum"), scores.first().copied(), "{shown}");
    assert_eq!(number("maximum"), scores.last().copied(), "{shown}");
    let meets = |x: f64| if definition.lower { x <= definition.goal } else { x >= definition.goal };
    let counts: u64 = bucket_counts(&shown["distribution"]).iter().map(|(_, _, c)| c).sum();
    assert_eq!(counts, n as u64, "{shown}");
    let series: u64 = shown["series"].as_array().unwrap().iter().map(|p| p["count"].as_u64().unwrap()).sum();
    assert_eq!(series, n as u64);
    if n == 0 {
        assert_eq!(shown["average"], Value::Null);
        return;
    }
    // Shifted by the median, so that a large common part does not eat the digits.
    let shift = scores[n / 2];
    let rest: f64 = scores.iter().map(|x| x - shift).sum::<f64>() / n as f64;
    let average = shift + rest;
    // Around 0 nothing is relatively close: then it is the rounding of this recount, of numbers so large, that is allowed.
    let rounding = 1e-13 * scores[0].abs().max(scores[n - 1].abs());
    let shown_average = number("average").unwrap();
    assert!(
        close(shown_average, average, 1e-9) || (shown_average - average).abs() <= rounding,
        "{average} for {shown}"
    );
    if n > 1 {
        let variance = scores.iter().map(|x| (x - shift - rest).powi(2)).sum::<f64>() / (n - 1) as f64;
        let deviation = number("standard_deviation").unwrap();
        assert!(close(deviation, variance.sqrt(), 1e-6), "{} for {shown}", variance.sqrt());
    }
    assert_eq!(shown["goal_met"], json!(meets(number("average").unwrap())));
    if definition.kpi_type != "boolean" {
        let share = 100.0 * scores.iter().filter(|x| meets(**x)).count() as f64 / n as f64;
        assert!(close(number("scores_meeting_goal_percentage").unwrap(), share, 1e-12));
    }
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        let rank = ((quantile * n as f64).ceil() as usize).max(1);
        let exact = scores[rank - 1];
        let tolerance = if definition.kpi_type == "boolean" { 0.0 } else { 0.01 * exact.abs() };
        let shown_value = shown["percentiles"][name].as_f64().unwrap();
        assert!((shown_value - exact).abs() <= tolerance, "{name}: {shown_value}, exactly {exact}");
    }
    for (from, to, count) in bucket_counts(&shown["distribution"]) {
        let inside = |x: f64| match definition.kpi_type.as_str() {
            "boolean" => x == from,
            "likert5" | "likert7" | "likert10" => (x + 0.5).floor() == from,
            // A decimal that lies on an edge belongs to the bucket that begins there.
            "percentage" => ((x * 20.0).floor().min(19.0) / 20.0 - from).abs() < 1e-9,
            _ => {
                let slack = 1e-12 * definition.width.unwrap();
                x >= from - slack && x < to - slack
            }
        };
        let exact = scores.iter().filter(|x| inside(**x)).count() as u64;
        assert_eq!(count, exact, "bucket {from}–{to} of {}", shown["distribution"]);
    }
}

/// `(from, to, count)`
fn bucket_counts(distribution: &Value) -> Vec<(f64, f64, u64)> {
    let count = |value: &Value| value.as_u64().unwrap();
    if distribution["kind"] == "boolean" {
        return vec![(0.0, 0.0, count(&distribution["false"])), (1.0, 1.0, count(&distribution["true"]))];
    }
    distribution["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| match bucket["point"].as_f64() {
            Some(point) => (point, point, count(&bucket["count"])),
            None => (
                bucket["from"].as_f64().unwrap_or(f64::NEG_INFINITY),
                bucket["to"].as_f64().unwrap_or(f64::INFINITY),
                count(&bucket["count"]),
            ),
        })
        .collect()
}
