//! Why a request is refused, in the words of the public contract. Which HTTP status belongs to a code is the API's business.

use serde::{Deserialize, Serialize};

/// The codes of the contract, spelled as callers see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, schema(as = ErrorCode))]
pub enum Code {
    InvalidRequest,
    InvalidUseCaseName,
    InvalidKpiName,
    InvalidUseCaseId,
    ScoreOutOfRange,
    GoalOutOfRange,
    InvalidTimestamp,
    InvalidCursor,
    InvalidFilter,
    InvalidApiKey,
    Forbidden,
    NotFound,
    UseCaseNotFound,
    KpiNotFound,
    UseCaseInstanceNotFound,
    MethodNotAllowed,
    KpiAlreadyExists,
    InstanceInOtherUseCase,
    ScoresIncompatible,
    IdempotencyKeyReused,
    PayloadTooLarge,
    UnsupportedMediaType,
    TooManyBuckets,
    TooManyRows,
    RateLimited,
    UnexpectedError,
    LimitsNotSupported,
    NotSupported,
    Overloaded,
    Unavailable,
}

/// A code and a sentence that names the field, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ErrorDetail))]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    /// What went wrong inside, for the log. It never leaves the service.
    #[serde(skip)]
    pub cause: Option<String>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// With what the log is to say.
    pub fn because(self, cause: String) -> Self {
        Self { cause: Some(cause), ..self }
    }
}

/// A caller's text as an error message may show it: shortened, so that a megabyte does not come back.
pub fn shown(text: &str) -> String {
    const LENGTH_MAX: usize = 80;
    if text.chars().count() <= LENGTH_MAX {
        return format!("'{text}'");
    }
    let start: String = text.chars().take(LENGTH_MAX).collect();
    format!("'{start}…'")
}
