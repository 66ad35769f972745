//! Answers: the only place where a refusal becomes an HTTP response.

use futures_util::StreamExt;
use futures_util::stream::LocalBoxStream;
use serde::Serialize;
use worker::{Headers, IntoResponse, ResponseBody, ResponseBuilder, web_sys};

use super::admission::Admitted;
use super::border::{self, More};
use super::exposure::{Exposure, with_common, write_preflight};
use crate::config::RATE_LIMIT_RETRY_S;
use crate::domain::refusal::{Code, Refusal};
use crate::storage::writer::json_of;

/// A successful answer.
pub struct Answer {
    status: u16,
    media_type: &'static str,
    /// To be kept as a file of this name.
    file_name: Option<String>,
    /// What a browser is to keep as a cookie, with its attributes.
    cookie: Option<String>,
    /// In place of those that other answers have, or besides them.
    headers: &'static [(&'static str, &'static str)],
    content: Content,
}

enum Content {
    /// Empty with 204.
    Text(String),
    Stream(Chunks),
    Asset(ResponseBody),
}

/// A body in parts, made while it is sent. An error ends the transfer short of its end, so that nobody takes what there is of it
/// for the whole.
pub type Chunks = LocalBoxStream<'static, worker::Result<Vec<u8>>>;

const JSON: &str = "application/json";

impl Answer {
    pub fn json(body: String) -> Self {
        Self::text(body, JSON)
    }

    pub fn text(body: String, media_type: &'static str) -> Self {
        Self::new(media_type, Content::Text(body))
    }

    fn new(media_type: &'static str, content: Content) -> Self {
        Self { status: 200, media_type, file_name: None, cookie: None, headers: &[], content }
    }

    pub fn stream(chunks: Chunks, media_type: &'static str) -> Self {
        Self::new(media_type, Content::Stream(chunks))
    }

    /// A file of the deployment, with headers of its own.
    pub fn asset(
        body: ResponseBody,
        media_type: &'static str,
        headers: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { headers, ..Self::new(media_type, Content::Asset(body)) }
    }

    /// Keeps the place of its request until it is sent, if it is sent in parts.
    pub fn holding(mut self, admitted: Admitted) -> Self {
        self.content = match self.content {
            Content::Stream(chunks) if admitted.stays_for_stream() => {
                let held = chunks.map(move |chunk| {
                    let _ = &admitted;
                    chunk
                });
                Content::Stream(held.boxed_local())
            }
            other => other,
        };
        self
    }

    /// The name must hold nothing that a header would have to quote.
    pub fn for_download(self, file_name: String) -> Self {
        Self { file_name: Some(file_name), ..self }
    }

    pub fn with_cookie(self, cookie: String) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    pub fn of<T: Serialize>(value: &T) -> Self {
        Self::json(json_of(value))
    }

    pub fn no_content() -> Self {
        Self { status: 204, ..Self::json(String::new()) }
    }

    /// A JSON object with the request's id added.
    pub fn with_request_id(object: &str, request_id: &str) -> Self {
        let open = object.strip_suffix('}').unwrap_or(object);
        let comma = if open.ends_with('{') { "" } else { "," };
        Self::json(format!(r#"{open}{comma}"request_id":"{request_id}"}}"#))
    }
}

/// A page of a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct List<T> {
    pub items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(nullable = false))]
    pub cursor: Option<String>,
    pub request_id: String,
}

pub fn status_of(code: Code) -> u16 {
    match code {
        Code::InvalidRequest
        | Code::InvalidUseCaseName
        | Code::InvalidKpiName
        | Code::InvalidUseCaseId
        | Code::ScoreOutOfRange
        | Code::GoalOutOfRange
        | Code::InvalidTimestamp
        | Code::InvalidCursor
        | Code::InvalidFilter => 400,
        Code::InvalidApiKey => 401,
        Code::Forbidden => 403,
        Code::NotFound | Code::UseCaseNotFound | Code::KpiNotFound | Code::UseCaseInstanceNotFound => 404,
        Code::MethodNotAllowed => 405,
        Code::KpiAlreadyExists
        | Code::InstanceInOtherUseCase
        | Code::ScoresIncompatible
        | Code::IdempotencyKeyReused => 409,
        Code::PayloadTooLarge => 413,
        Code::UnsupportedMediaType => 415,
        Code::TooManyBuckets | Code::TooManyRows => 422,
        Code::RateLimited => 429,
        Code::UnexpectedError => 500,
        Code::LimitsNotSupported | Code::NotSupported => 501,
        Code::Overloaded | Code::Unavailable => 503,
    }
}

/// Why a request is refused.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Error))]
pub struct Envelope<'a> {
    #[serde(rename = "statusCode")]
    status_code: u16,
    message: &'a str,
    xproxy_error: &'a Refusal,
}

/// The answer to a browser's preflight: there is no body.
pub fn respond_to_preflight(exposure: &Exposure, request_id: &str) -> web_sys::Response {
    let mut more = More::default();
    more.set("x-request-id", request_id);
    exposure.write(&mut more);
    write_preflight(&mut more);
    with_common(|common| border::respond(204, None, common, &more))
}

/// The HTTP response. `headers` are those that this one has besides the others.
pub fn respond(
    answer: Result<Answer, Refusal>,
    exposure: &Exposure,
    request_id: &str,
    method: &str,
    headers: &[(&str, &str)],
) -> worker::Result<web_sys::Response> {
    let mut more = More::default();
    more.set("x-request-id", request_id);
    let answer = match answer {
        Ok(answer) => answer,
        Err(refusal) => {
            let status = status_of(refusal.code);
            match status {
                // The SDKs would retry a 409 and anything from 500 on; these stay as they are.
                400..=428 | 501 => more.set("x-should-retry", "false"),
                429 => more.set("retry-after", &RATE_LIMIT_RETRY_S.to_string()),
                503 => more.set("retry-after", "1"),
                _ => {}
            }
            let envelope =
                Envelope { status_code: status, message: &refusal.message, xproxy_error: &refusal };
            Answer { status, ..Answer::json(json_of(&envelope)) }
        }
    };
    if answer.status != 204 {
        more.set("content-type", answer.media_type);
    }
    exposure.write(&mut more);
    if let Some(name) = answer.file_name {
        more.set("content-disposition", &format!("attachment; filename=\"{name}\""));
    }
    if let Some(cookie) = answer.cookie {
        more.set("set-cookie", &cookie);
    }
    for (name, value) in answer.headers.iter().chain(headers) {
        more.set(name, value);
    }
    let is_empty = answer.status == 204 || method == "HEAD";
    let whole =
        |bytes: Option<&[u8]>| Ok(with_common(|common| border::respond(answer.status, bytes, common, &more)));
    let begin = || {
        let headers = with_common(|common| border::headers(Some(common), &more));
        ResponseBuilder::new().with_status(answer.status).with_headers(Headers(headers))
    };
    let response = match answer.content {
        _ if is_empty => return whole(None),
        Content::Text(text) => return whole(Some(text.as_bytes())),
        Content::Stream(chunks) => begin().from_stream(chunks)?,
        Content::Asset(body) => begin().body(body),
    };
    response.into_raw().map_err(|error| worker::Error::RustError(error.into().to_string()))
}
