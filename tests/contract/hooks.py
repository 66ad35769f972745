"""What Schemathesis does not know of this API: its tables, and which refusals of valid data no schema can foresee."""

import re

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Coverage tries every value of an enum: 597 time zones would be 597 requests for each operation that takes one."""
    zones = raw_schema["components"]["parameters"]["time_zone"]["schema"]
    zones["enum"] = [zone for zone in zones["enum"] if zone in ("UTC", "Europe/Berlin", "Asia/Kathmandu")]


@schemathesis.serializer("text/csv", "application/x-ndjson")
def table(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A body of nothing but white space counts as none, so it may be accepted where a body may be left out."""
    body = response.request.body or b""
    blank = body != b"" and not (body if isinstance(body, bytes) else body.encode()).strip()
    return not (blank and failure.kind_title == "Schema-violating request accepted")


# Why a request that fits the document may be refused with 400 or 422 all the same, by code. Everything else, `invalid_request`
# above all, would mean that the document allows what the service does not.
FORESEEABLE = {
    "invalid_cursor": "cursors are opaque: only those that the list gave out are good",
    "invalid_filter": "`from` before `to`, a version that exists, and which parameters each `by` of a comparison takes",
    "invalid_timestamp": "from the year 2000, not ahead of now, after the version before; an expiry ahead of now",
    "score_out_of_range": "the range is that of the KPI's type",
    "goal_out_of_range": "the range is that of the KPI's type",
    "too_many_buckets": "the number of buckets follows from range and granularity",
}
FORESEEABLE_OF = {
    # `candidate` is a name where use cases are compared, else something else.
    "compare": {"invalid_use_case_name"},
}
FORESEEABLE_MESSAGES = [
    # Versions and KPIs that exist.
    r"version .* does not exist",
    r"^KPI .* is of type \w+; only number scores can be incremented",
    # Two texts that must not be equal.
    r"^there are two benchmarks ",
    # Limits on how many there are.
    r"at most \d+ (KPIs|events)",
    # A table is read by its header.
    r"^the CSV ",
    r"^application_id .* is taken$",
    r"^the application 'default' belongs to the root key",
]


@schemathesis.check
def valid_data_is_refused_for_a_foreseeable_reason(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 422):
        return None
    # There parameters are values of other answers, whether they fit or not.
    if case.meta.phase.name.value == "stateful":
        return None
    error = response.json()["xproxy_error"]
    of_operation = FORESEEABLE_OF.get(case.operation.definition.raw["operationId"], ())
    if error["code"] in FORESEEABLE or error["code"] in of_operation:
        return None
    if error["code"] == "invalid_request" and any(re.search(message, error["message"]) for message in FORESEEABLE_MESSAGES):
        return None
    raise AssertionError(f"valid data was refused: {error}")
