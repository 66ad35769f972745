"""A million scores in and out: nothing missing, nothing twice, in bounded memory. `make test-large`, some two minutes."""

import csv
import http.client
import io
import json
import os
import threading
import time
import urllib.parse
import uuid

import numpy as np
import pandas as pd
import pytest

SCORES = 1_000_000
ROWS_PER_IMPORT = 100_000
DEFINITION = "/api/v1/use_cases/definitions/Large"
# An export of a million rows is some 300 MB of NDJSON; what a page of it takes is some megabytes.
GROWTH_MB_MAX = 128


class Service:
    def __init__(self):
        self.address = urllib.parse.urlsplit(os.environ["EDGE_KPI_URL"])
        self.key = os.environ["EDGE_KPI_API_KEY"]
        made = self.send("POST", "/api/v1/applications", json.dumps({"application_id": f"large-{uuid.uuid4().hex}"}))
        self.key = json.loads(made)["admin_key"]["api_key"]

    def open(self, method, path, body=None, content_type="application/json"):
        connection = http.client.HTTPConnection(self.address.netloc, timeout=300)
        headers = {"xProxy-api-key": self.key, "content-type": content_type}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.read()[:500]}"
        return answer

    def send(self, *request, **options):
        return self.open(*request, **options).read()

    def load(self, table):
        body = table.to_csv(index=False).encode()
        assert len(body) <= 10 * 1024 * 1024, len(body)
        return json.loads(self.send("POST", f"{DEFINITION}/scores", body, content_type="text/csv"))


@pytest.fixture(scope="module")
def service():
    made = Service()
    for kpi in ({"name": "Value", "kpi_type": "number", "goal": 10}, {"name": "Mood", "kpi_type": "likert5", "goal": 3.5}):
        made.send("POST", f"{DEFINITION}/kpis", json.dumps(kpi))
    return made


@pytest.fixture(scope="module")
def sent(service):
    """What was sent, as it must come back: half a million instances with two scores each, over a year."""
    random = np.random.default_rng(20_261_124)
    instances = SCORES // 2
    ids = np.array([f"i-{n:06d}-{tail:06x}" for n, tail in enumerate(random.integers(0, 1 << 24, instances))])
    start = pd.Timestamp("2025-10-01", tz="UTC").value // 1_000_000
    at = start + random.integers(0, 365 * 86_400_000, SCORES)
    scores = np.concatenate([np.round(random.lognormal(2.3, 0.6, instances), 4), random.integers(1, 6, instances).astype(float)])
    frame = pd.DataFrame({
        "use_case_id": np.concatenate([ids, ids]),
        "kpi_name": np.repeat(["Value", "Mood"], instances),
        "score": scores,
        "timestamp": pd.to_datetime(at, unit="ms", utc=True).strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3] + "Z",
    })
    # As history comes: in the order of time, to the hour.
    frame = frame.iloc[np.argsort(at // 3_600_000 + random.random(SCORES), kind="stable")].reset_index(drop=True)
    began = time.monotonic()
    for first in range(0, SCORES, ROWS_PER_IMPORT):
        report = service.load(frame.iloc[first:first + ROWS_PER_IMPORT])
        assert (report["accepted"], report["rejected"]) == (ROWS_PER_IMPORT, 0), report["errors"][:3]
    print(f"\nimported {SCORES:,} scores in {time.monotonic() - began:.0f} s")
    return frame


def resident_mb(pid):
    """Of a process and all below it, in megabytes."""
    parents, resident = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/status") as status:
                fields = dict(line.split(":", 1) for line in status)
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(entry)] = int(fields["PPid"])
        resident[int(entry)] = int(fields.get("VmRSS", "0 kB").split()[0]) / 1024
    def below(process):
        while process in parents:
            if process == pid:
                return True
            process = parents[process]
        return False
    return sum(size for process, size in resident.items() if below(process))


class Watch:
    """How far the service's memory grows meanwhile."""

    def __init__(self):
        self.pid = int(os.environ["EDGE_KPI_SERVICE_PID"])

    def __enter__(self):
        self.before = self.most = resident_mb(self.pid)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        while not self.done.wait(0.2):
            self.most = max(self.most, resident_mb(self.pid))

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    @property
    def growth_mb(self):
        return self.most - self.before


def check(exported, sent):
    assert len(exported) == len(sent)
    key = ["use_case_id", "kpi_name"]
    assert not exported.duplicated(key).any()
    both = sent.merge(exported, on=key, suffixes=("_sent", "_exported"), validate="one_to_one")
    assert len(both) == len(sent)
    assert (both.score_sent == both.score_exported).all()
    assert (both.timestamp_sent == both.timestamp_exported).all()


@pytest.mark.parametrize("form", ["csv", "ndjson", "json"])
def test_a_million_scores_come_out_whole_in_bounded_memory(service, sent, tmp_path, form):
    file = tmp_path / f"scores.{form}"
    began = time.monotonic()
    with Watch() as watch, file.open("wb") as out:
        answer = service.open("GET", f"{DEFINITION}/scores?format={form}")
        while portion := answer.read(1 << 20):
            out.write(portion)
    took = time.monotonic() - began
    print(f"\n{form}: {file.stat().st_size / 1e6:.0f} MB in {took:.1f} s; the service grew by {watch.growth_mb:.0f} MB")
    assert watch.growth_mb < GROWTH_MB_MAX
    columns = ["use_case_id", "kpi_name", "score", "timestamp"]
    if form == "csv":
        exported = pd.read_csv(file, usecols=columns)
    elif form == "ndjson":
        with file.open() as lines:
            exported = pd.DataFrame(map(json.loads, lines))[columns]
    else:
        exported = pd.DataFrame(json.loads(file.read_bytes())["items"])[columns]
    check(exported, sent)


def test_a_broken_download_goes_on_where_it_broke_off(service, sent):
    lines = service.send("GET", f"{DEFINITION}/scores?format=ndjson&limit=400000").decode().splitlines()
    rest = service.send("GET", f"{DEFINITION}/scores?format=ndjson&cursor={json.loads(lines[-1])['cursor']}").decode()
    check(pd.DataFrame([json.loads(line) for line in lines + rest.splitlines()]), sent)


def test_of_ten_megabytes_with_one_percent_bad_rows_exactly_those_are_reported(service):
    random = np.random.default_rng(7)
    bad_ones = [
        ("Value", "not a number", "2026-05-01T10:00:00Z"), ("Mood", "6", "2026-05-01T10:00:00Z"),
        ("Nope", "1", "2026-05-01T10:00:00Z"), ("Value", "1e16", ""), ("Mood", "3", "yesterday"),
        ("Value", "1", "1999-12-31T23:59:59Z"), ("Mood", "NaN", ""),
    ]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["use_case_id", "kpi_name", "score", "timestamp", "comment"])
    bad, good, row = [], {}, 0
    while text.tell() < 10 * 1024 * 1024 - 300:
        instance = f"bad-{row}-{uuid.UUID(int=int(random.integers(1 << 62)))}"
        if random.random() < 0.01:
            bad.append(row)
            table.writerow([instance, *bad_ones[len(bad) % len(bad_ones)], "bad"])
        else:
            score = float(np.round(random.normal(10, 3), 3))
            good[instance] = score
            table.writerow([instance, "Value", score, "2026-05-01T10:00:00Z", 'fine, "really"'])
        row += 1
    report = json.loads(service.send("POST", f"{DEFINITION}/scores", text.getvalue().encode(), content_type="text/csv"))
    print(f"\n{text.tell() / 1024 / 1024:.2f} MiB, {row:,} rows, {len(bad):,} of them bad")
    assert (report["accepted"], report["rejected"]) == (len(good), len(bad))
    assert [error["index"] for error in report["errors"]] == bad
    answer = service.send("GET", f"{DEFINITION}/scores?format=ndjson&kpi=Value&from=2026-05-01T10:00:00Z&to=2026-05-01T10:00:00.001Z")
    stored = {found["use_case_id"]: found["score"] for found in map(json.loads, answer.decode().splitlines())}
    assert {key: score for key, score in stored.items() if key.startswith("bad-")} == good
