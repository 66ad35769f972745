"""Gives the service something to find: a use case type with a KPI of each type, versions, instances, scores, an event, a key.

The names are those of the document's examples, so that what Schemathesis sends meets what exists."""

import json
import os
import urllib.parse
import urllib.request

DEFINITIONS = "/api/v1/use_cases/definitions"

KPIS = [
    {"name": "Deflection Rate", "kpi_id": "deflection", "kpi_type": "boolean", "goal": 0.25,
     "benchmarks": [{"name": "industry", "value": 0.22}]},
    {"name": "Conversion $ Value", "kpi_id": "conversion", "kpi_type": "number", "goal": 10, "unit": "$"},
    {"name": "Acceptance", "kpi_id": "acceptance", "kpi_type": "percentage", "goal": 0.3},
    {"name": "Quality", "kpi_id": "quality", "kpi_type": "likert5", "goal": 3.5},
    {"name": "Tone", "kpi_id": "tone", "kpi_type": "likert7", "goal": 5},
    {"name": "Recommendation", "kpi_id": "recommendation", "kpi_type": "likert10", "goal": 7, "direction": "higher_is_better"},
]
SCORES = {"deflection": (0, 1), "conversion": (2.5, 40), "acceptance": (0.1, 0.9), "quality": (1, 5), "tone": (2, 7),
          "recommendation": (3, 10)}


def send(method, path, body=None):
    request = urllib.request.Request(
        os.environ["EDGE_KPI_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"xProxy-api-key": os.environ["EDGE_KPI_API_KEY"], "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def fill(name):
    send("POST", DEFINITIONS, {"name": name, "description": "Answers customers"})
    for kpi in KPIS:
        send("POST", f"{DEFINITIONS}/{name}/kpis", kpi)
    send("POST", f"{DEFINITIONS}/{name}/increment_version", {"timestamp": "2026-11-10T00:00:00Z"})
    prefix = "" if name == "Chat-Bot" else f"{name}-"
    for number in range(1, 9):
        send("POST", f"/api/v1/use_cases/instances/{name}", {
            "use_case_id": f"{prefix}session-{number}", "version": 1 + number % 2,
            "properties": {"model": f"m-{number % 2 + 1}", "region": "eu"}})
    send("POST", f"{DEFINITIONS}/{name}/scores", {"scores": [
        {"use_case_id": f"{prefix}session-{number}", "kpi_id": kpi_id, "score": scores[number % 2],
         "timestamp": f"2026-11-{2 + 2 * number:02}T09:15:00Z"}
        for kpi_id, scores in SCORES.items() for number in range(1, 9)]})
    send("POST", f"{DEFINITIONS}/{name}/events", {"at": "2026-11-08T00:00:00Z", "title": "New prompt"})


if __name__ == "__main__":
    fill("Chat-Bot")
    fill("Image-Ad")
    fill("Retired-Bot")
    send("POST", "/api/v1/keys", {"role": "read", "name": "dashboard"})
