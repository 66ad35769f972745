"""A small client: an application of its own, use cases that remember every score that they sent. Figures are not known here."""

import http.client
import json
import os
import threading
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

BULK_ITEMS_MAX = 1000
PARALLEL = 8

DEFINITIONS = "/api/v1/use_cases/definitions"
INSTANCES = "/api/v1/use_cases/instances"


def iso(moment):
    return moment.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def utc(text):
    return pd.Timestamp(text, tz="UTC")


class App:
    """One application, as its admin."""

    def __init__(self, key):
        self.key = key
        self.address = urllib.parse.urlsplit(os.environ["EDGE_KPI_URL"])
        self.local = threading.local()

    @classmethod
    def root(cls):
        """The default application."""
        return cls(os.environ["EDGE_KPI_API_KEY"])

    @classmethod
    def new(cls):
        made = cls.root().post("/api/v1/applications", {"application_id": f"oracle-{uuid.uuid4().hex}"})
        return cls(made["admin_key"]["api_key"])

    def send(self, method, path, body=None, headers=None, params=()):
        if params:
            path += "?" + urllib.parse.urlencode(params)
        headers = {"xProxy-api-key": self.key, "content-type": "application/json", **(headers or {})}
        payload = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[self.address.scheme]
                connection = self.local.connection = kind(self.address.netloc, timeout=120)
            try:
                connection.request(method, path, payload, headers)
                answer = connection.getresponse()
                text = answer.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A kept connection that the server has closed; every request here may be repeated.
                self.local.connection = None
                if attempt == 2:
                    raise
        assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {text.decode()[:500]}"
        return json.loads(text) if text else None

    def get(self, path, **params):
        return self.send("GET", path, params=pairs(params))

    def post(self, path, body, **headers):
        return self.send("POST", path, body, headers)

    def each(self, method, requests):
        """Many requests `(path, body)`, a few at a time."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda request: self.send(method, *request), requests))


def pairs(params):
    """`from_` stands for `from`; a list for a repeated parameter; `properties` for the filters by property."""
    found = []
    for name, value in params.items():
        if name == "properties":
            found += [(f"property.{key}", text) for key, text in value.items()]
        elif isinstance(value, list):
            found += [(name, each) for each in value]
        elif value is not None:
            found.append((name.rstrip("_"), value))
    return found


class UseCase:
    """A use case type with what was sent to it: `scores` and `instances`, the only source of what is expected."""

    def __init__(self, app, name, kpis, **fields):
        self.app, self.name = app, name
        self.path = f"{DEFINITIONS}/{name}"
        app.post(DEFINITIONS, {"name": name, "description": "", **fields})
        self.kpis = {}
        for kpi in kpis:
            made = app.post(f"{self.path}/kpis", {"description": "", **kpi})
            self.kpis[kpi["name"]] = {"direction": "higher_is_better", "bucket_width": None, "benchmarks": [], **kpi, "kpi_id": made["kpi_id"]}
        self.scores = pd.DataFrame({"id": [], "kpi": [], "score": [], "at": pd.DatetimeIndex([], tz="UTC"), "version": []})
        self.instances = pd.DataFrame({"created": pd.DatetimeIndex([], tz="UTC"), "version": [], "properties": []}, index=pd.Index([], dtype=object))
        self.versions = [(1, None)]

    def next_version(self, at):
        version = len(self.versions) + 1
        self.app.post(f"{self.path}/increment_version", {"timestamp": iso(at)})
        self.versions.append((version, at))
        return version

    def create(self, created, version=1, properties=None, ids=None):
        """Instances, one request each, with properties (a list of dicts). Answers their ids."""
        ids = [f"i-{uuid.uuid4().hex}" for _ in created] if ids is None else ids
        properties = [{}] * len(ids) if properties is None else properties
        requests = [
            (f"{INSTANCES}/{self.name}", {"use_case_id": id, "version": version, "timestamp": iso(at), "properties": own})
            for id, at, own in zip(ids, created, properties)
        ]
        self.app.each("POST", requests)
        self._remember(ids, created, version, properties)
        return ids

    def record(self, scores, version=1):
        """Scores in bulk: a frame of id, kpi, score, at. Instances that don't exist yet come about at their earliest score."""
        scores = scores.assign(version=version).sort_values("id", kind="stable")
        # All scores of an instance in one request, so that its earliest one is known to it.
        sizes = scores.groupby("id", sort=False).size()
        portion = (sizes.cumsum() - 1) // (BULK_ITEMS_MAX - sizes.max() + 1)
        for _, part in scores.groupby(scores["id"].map(portion)):
            items = [
                {"use_case_id": id, "kpi_name": kpi, "score": score, "timestamp": iso(at)}
                for id, kpi, score, at in part[["id", "kpi", "score", "at"]].itertuples(index=False)
            ]
            done = self.app.post(f"{self.path}/scores", {"scores": items}, **{"xProxy-UseCase-Version": str(version)})
            assert done["rejected"] == 0, done["errors"][:3]
        known = scores["id"].isin(self.instances.index)
        created = scores[~known].groupby("id")["at"].min()
        self._remember(list(created.index), list(created), version, [{}] * len(created))
        # The version is the instance's.
        scores = scores.assign(version=self.instances.loc[scores["id"], "version"].to_numpy())
        kept = self.scores.merge(scores[["id", "kpi"]], how="left", indicator=True)["_merge"].to_numpy() == "left_only"
        self.scores = pd.concat([self.scores[kept], scores], ignore_index=True) if len(self.scores) else scores.reset_index(drop=True)

    def set_properties(self, changes):
        """`{id: {key: value or None}}`"""
        self.app.each("PUT", [(f"{INSTANCES}/{self.name}/{id}/properties", {"properties": own}) for id, own in changes.items()])
        for id, own in changes.items():
            merged = {**self.instances.at[id, "properties"], **own}
            self.instances.at[id, "properties"] = {key: value for key, value in merged.items() if value is not None}

    def event(self, at, title):
        return self.app.post(f"{self.path}/events", {"at": iso(at), "title": title, "description": ""})

    def dashboard(self, **params):
        return self.app.get(f"/api/v1/dashboard/{self.name}", **params)

    def read(self, what, **params):
        return self.app.get(f"/api/v1/dashboard/{self.name}/{what}", **params)

    def of(self, kpi, scores=None):
        """The scores of one KPI."""
        scores = self.scores if scores is None else scores
        return scores[scores["kpi"] == kpi]

    def property(self, key, ids):
        """What each of these instances has for a property now; None where it has none."""
        return [own.get(key) for own in self.instances.loc[list(ids), "properties"]]

    def _remember(self, ids, created, version, properties):
        if not ids:
            return
        new = pd.DataFrame({"created": pd.DatetimeIndex(created).tz_convert("UTC"), "version": version, "properties": list(properties)}, index=ids)
        self.instances = pd.concat([self.instances, new]) if len(self.instances) else new
