"""Questions to a Prometheus over its HTTP API, answered as values. It starts nothing and keeps nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.model.errors import HarnessError

_TIMEOUT_S = 30.0
_PROBE_TIMEOUT_S = 1.0


class QueryError(HarnessError):
    """Prometheus refused a question, or did not answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one time (s since the epoch)."""

    labels: Mapping[str, str]
    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series over time: `points` are (s since the epoch, value), oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is not inactive. `state`: "pending" or "firing"."""

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class PrometheusApi:
    """A Prometheus at `url` (`http://host:port`). Each call opens a connection of its own, past any proxy: calls from
    several threads are fine. All but `ready` raise QueryError.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80

    def instant(self, query: str, at_s: float | None = None) -> list[Sample]:
        """The value of each series of `query` now, or at `at_s`. A scalar comes as one series without labels."""
        data = self.get("/api/v1/query", query=query, **({} if at_s is None else {"time": f"{at_s:.3f}"}))
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][0]), float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][0]), float(one["value"][1])) for one in data["result"]]

    def range(self, query: str, start_s: float, end_s: float, step_s: float = 1.0) -> list[Series]:
        """Each series of `query` from `start_s` to `end_s`, one point every `step_s`."""
        times = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        data = self.get("/api/v1/query_range", query=query, **times)
        return [
            Series(one["metric"], tuple((float(at), float(value)) for at, value in one["values"]))
            for one in data["result"]
        ]

    def alerts(self) -> list[Alert]:
        """What is pending or firing."""
        return [
            Alert(one["labels"]["alertname"], one["state"], one["labels"], one["annotations"])
            for one in self.get("/api/v1/alerts")["alerts"]
        ]

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of the answer to any question of the API, as JSON."""
        status, body = self._ask(path, parameters, _TIMEOUT_S)
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise QueryError(f"{self.url}{path} answered {status}, and no JSON", value=body[:200]) from error
        if answer.get("status") != "success":
            reason = answer.get("error", f"status {status}")
            raise QueryError(f"Prometheus refused {path}: {reason}", value=parameters or None, remedy=_REWORD)
        return answer["data"]

    def ready(self) -> bool:
        """True when it answers questions; False, never an error, before."""
        try:
            return self._ask("/-/ready", {}, _PROBE_TIMEOUT_S)[0] == http.HTTPStatus.OK
        except QueryError:
            return False

    def _ask(self, path: str, parameters: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise QueryError(f"{self.url} does not answer: {error}", value=path, remedy=_LOOK) from error
        finally:
            connection.close()


_REWORD = "correct the query; its web page at /graph shows what is wrong"
_LOOK = "see whether it still runs, and read its log"
