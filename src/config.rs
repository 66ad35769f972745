//! Names of bindings and variables, and the service's limits, each with its reason.

/// The D1 database.
pub const DATABASE_BINDING: &str = "DB";

/// The namespace of the objects that own use case types.
pub const AGGREGATOR_BINDING: &str = "AGGREGATOR";

/// The static files: the portal, the OpenAPI document and its viewer. The service works without them.
pub const ASSETS_BINDING: &str = "ASSETS";

/// A secret: the key that is admin of the application `default` and may make applications.
pub const ROOT_API_KEY: &str = "ROOT_API_KEY";

/// Origins whose pages may call the service from a browser, separated by commas; `*` for all. Without it, none may.
pub const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";

/// Rate limiters, one a role, and one for addresses that present keys which are none. One that is not bound limits nothing.
pub const RATE_LIMIT_READ: &str = "RATE_LIMIT_READ";
pub const RATE_LIMIT_INGEST: &str = "RATE_LIMIT_INGEST";
pub const RATE_LIMIT_EDITOR: &str = "RATE_LIMIT_EDITOR";
pub const RATE_LIMIT_ADMIN: &str = "RATE_LIMIT_ADMIN";
pub const RATE_LIMIT_UNKNOWN: &str = "RATE_LIMIT_UNKNOWN";

/// Scores in bulk that count as one request.
pub const ITEMS_PER_UNIT: usize = 100;

/// What a rate-limited caller is told to wait, in seconds: the shorter of the two periods that a limiter can have.
pub const RATE_LIMIT_RETRY_S: u32 = 10;

/// How long an address over its limit of unknown keys is turned away before its key is looked up.
pub const UNKNOWN_KEYS_PAUSE_MS: i64 = 10 * 1000;

/// Requests that an isolate works on at once. It is one thread: what is beyond this only waits longer. With 64 at once, batches
/// are nearly as large as they get.
pub const IN_FLIGHT_MAX: usize = 256;

/// Of these, answers that are sent in parts and may be read slowly: more of them do not keep their place.
pub const STREAMS_MAX: usize = 32;

/// How often an overloaded isolate says so in the log.
pub const OVERLOAD_LOGGED_MS: i64 = 1_000;

/// Bytes of bodies that an isolate works on at once, of its 128 MB: a body takes up to three times its size while it is read.
pub const IN_FLIGHT_BYTES_MAX: usize = 24 * 1024 * 1024;

/// For how long writes to an object that had no room are turned away before their bodies are read. What waits there by then keeps it
/// busy for longer.
pub const OBJECT_PAUSE_MS: i64 = 100;

/// After this a request no longer counts as worked on: its caller went away, and the platform dropped it without a word.
pub const IN_FLIGHT_FORGOTTEN_MS: i64 = 60 * 1000;

/// How far ahead a score's timestamp may lie: clocks of the callers differ.
pub const FUTURE_MAX_MS: i64 = 5 * 60 * 1000;

/// The first instant a timestamp may name: 2000-01-01T00:00:00Z.
pub const TIMESTAMP_MIN_MS: i64 = 946_684_800_000;

/// How long the answer to a request with an Idempotency-Key is kept.
pub const IDEMPOTENCY_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// How long an isolate trusts what it knows of an API key: the longest that a revoked key still works.
pub const KEY_CACHE_MS: i64 = 30 * 1000;

/// How long a browser stays signed in.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;

/// Largest body of a request.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// And of a sign-in: a key, from somebody who is not known yet.
pub const SIGN_IN_BYTES_MAX: usize = 16 * 1024;

/// Largest body of an import (CSV or NDJSON): it is read whole, and an isolate has 128 MB.
pub const IMPORT_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Refused rows that the answer to an import names.
pub const IMPORT_ERRORS_MAX: usize = 10_000;

/// Most scores in a bulk request, and in a portion of an import.
pub const BULK_ITEMS_MAX: usize = 1000;

/// Length of a comment, of a description, and of a source or a unit, in characters.
pub const COMMENT_CHARS_MAX: usize = 2000;
pub const DESCRIPTION_CHARS_MAX: usize = 2000;
pub const SOURCE_CHARS_MAX: usize = 200;
pub const UNIT_CHARS_MAX: usize = 16;

/// Length of an event's title and of a benchmark's name, in characters.
pub const TITLE_CHARS_MAX: usize = 200;

/// Items on a page of a list.
pub const PAGE_ITEMS_DEFAULT: i64 = 100;
pub const PAGE_ITEMS_MAX: i64 = 500;

/// The range of a dashboard that names none: the last 30 days.
pub const RANGE_DEFAULT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Types on a page of the overview: each costs a call to its object.
pub const OVERVIEW_ITEMS_MAX: i64 = 100;
