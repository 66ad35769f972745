//! Events: changes of the system that are no new version. Written by the type's object only; read here in pages.

use super::definitions::Page;
use super::writer::SystemEvent;
use super::{Database, Statement, StorageError, integer, text};

/// Inserts an event: to be run in a batch with its guard.
pub fn insert(type_no: i64, event: &SystemEvent) -> Statement {
    Statement::new(
        "INSERT INTO events (type_no, event_no, event_id, at_ms, title, description, created_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        vec![
            integer(type_no),
            integer(event.event_no),
            text(&event.event_id),
            integer(event.at_ms),
            text(&event.title),
            text(&event.description),
            integer(event.created_ms),
        ],
    )
}

/// Deletes an event: to be run in a batch with its guard.
pub fn delete(type_no: i64, event_no: i64) -> Statement {
    Statement::new(
        "DELETE FROM events WHERE type_no = ?1 AND event_no = ?2",
        vec![integer(type_no), integer(event_no)],
    )
}

/// Events of a type in the order of their making.
pub async fn list(database: &Database, type_no: i64, page: Page) -> Result<Vec<SystemEvent>, StorageError> {
    let sql = if page.ascending {
        "SELECT json_group_array(json_array(event_no, event_id, at_ms, title, description, created_ms)) AS j \
         FROM (SELECT * FROM events WHERE type_no = ?1 AND event_no > ?2 ORDER BY event_no LIMIT ?3)"
    } else {
        "SELECT json_group_array(json_array(event_no, event_id, at_ms, title, description, created_ms)) AS j \
         FROM (SELECT * FROM events WHERE type_no = ?1 AND event_no < ?2 ORDER BY event_no DESC LIMIT ?3)"
    };
    database
        .json(Statement::new(sql, vec![integer(type_no), integer(page.bound()), integer(page.limit + 1)]))
        .await
}
