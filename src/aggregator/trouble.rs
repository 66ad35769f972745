//! What can go wrong in an object: what is ours, what is the caller's, and what callers are told of ours.

use super::cells::StoreError;
use crate::domain::refusal::{Code, Refusal};
use crate::storage::StorageError;

/// What went wrong inside the object.
#[derive(Debug, Clone)]
pub enum Trouble {
    Storage(StorageError),
    Store(StoreError),
}

/// Why a command was not carried out.
pub enum Failure {
    /// The caller's doing.
    Refused(Refusal),
    /// Ours.
    Trouble(Trouble),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Into<Trouble>> From<E> for Failure {
    fn from(trouble: E) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl Trouble {
    pub fn describe(&self) -> String {
        match self {
            Self::Storage(error) => format!("{error:?}"),
            Self::Store(error) => format!("object storage: {error:?}"),
        }
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The object has no room for more.
pub fn overloaded() -> Refusal {
    Refusal::new(Code::Overloaded, "too many requests are waiting; try again shortly")
}

pub fn deleted() -> Refusal {
    Refusal::new(Code::UseCaseNotFound, "the use case was deleted")
}

pub fn unavailable() -> Refusal {
    Refusal::new(
        Code::Unavailable,
        "a dependency did not answer; nothing acknowledged is lost, try again shortly",
    )
}

/// Logs what went wrong.
pub fn log_trouble(doing: &str, type_no: i64, request_id: &str, error: &Trouble) {
    worker::console_error!(
        "{}",
        serde_json::json!({"level": "error", "event": "aggregator_trouble", "doing": doing,
            "request_id": request_id, "type_no": type_no, "cause": error.describe()})
    );
}
