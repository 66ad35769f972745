//! Answers: the only place where a refusal becomes an HTTP response.

use serde::Serialize;
use worker::{Headers, Response, ResponseBuilder};

use crate::domain::refusal::{Code, Refusal};
use crate::storage::writer::json_of;

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    /// JSON; empty with 204.
    body: String,
}

impl Answer {
    pub fn json(body: String) -> Self {
        Self { status: 200, body }
    }

    pub fn of<T: Serialize>(value: &T) -> Self {
        Self::json(json_of(value))
    }

    pub fn no_content() -> Self {
        Self { status: 204, body: String::new() }
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
pub struct List<T> {
    pub items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
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

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "statusCode")]
    status_code: u16,
    message: &'a str,
    xproxy_error: &'a Refusal,
}

/// The HTTP response.
pub fn respond(answer: Result<Answer, Refusal>, request_id: &str, method: &str) -> worker::Result<Response> {
    let headers = Headers::new();
    headers.set("x-request-id", request_id)?;
    headers.set("cache-control", "no-store")?;
    let (status, body) = match answer {
        Ok(answer) => (answer.status, answer.body),
        Err(refusal) => {
            let status = status_of(refusal.code);
            match status {
                // The SDKs would retry a 409 and anything from 500 on; these stay as they are.
                400..=428 | 501 => headers.set("x-should-retry", "false")?,
                429 | 503 => headers.set("retry-after", "1")?,
                _ => {}
            }
            let envelope =
                Envelope { status_code: status, message: &refusal.message, xproxy_error: &refusal };
            (status, json_of(&envelope))
        }
    };
    let response = ResponseBuilder::new().with_status(status).with_headers(headers);
    if status == 204 || method == "HEAD" {
        return Ok(response.empty());
    }
    let mut response = response.fixed(body.into_bytes());
    response.headers_mut().set("content-type", "application/json")?;
    Ok(response)
}
