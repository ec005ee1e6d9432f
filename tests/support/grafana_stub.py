"""A server that answers the calls we make as the HTTP API documentation of Grafana 11 to 13 says, and fails on demand.

It keeps what it is sent, checks the token, adds to dashboards what Grafana adds, and knows no numeric ids.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "glsa_stub"
JSON = "application/json; charset=UTF-8"


@dataclass
class Answer:
    """What is sent back. `body` is JSON unless it is text. `silent`: nothing is, until the client gives up."""

    status: int
    body: object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False


class Refused(Exception):
    def __init__(self, code: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.answer = Answer(code, {"message": message, **more})


@dataclass
class GrafanaStub:
    """State, and what was asked. `failing` maps "METHOD /path" to answers given instead, first to last, each once."""

    version: str = "13.0.1"
    prefix: str = ""
    token: str = TOKEN
    admin: bool = True
    url: str = ""
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasources: dict[str, dict[str, Any]] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    provisioned: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)  # addresses of data sources that do not answer
    failing: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    saved: list[dict[str, Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    def fail(self, request: str, *answers: Answer) -> None:
        self.failing[request] = list(answers)

    def writes(self) -> list[str]:
        return [request for request in self.asked if not request.startswith("GET ")]

    def answer(self, method: str, target: str, token: str | None, body: Any) -> Answer:
        parts = urlsplit(target)
        path = parts.path
        if not path.startswith(self.prefix + "/api/"):
            return Answer(
                302, "<a href='/login'>Found</a>", {"Location": f"{self.prefix}/login", "Content-Type": "text/html"}
            )
        path = path.removeprefix(self.prefix + "/api")
        self.asked.append(f"{method} {path}")
        scripted = self.failing.get(f"{method} {path}")
        if scripted:
            return scripted.pop(0)
        if path == "/health":
            return Answer(200, {"commit": "0", "database": "ok", "version": self.version})
        if token != f"Bearer {self.token}":
            return Answer(401, {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401})
        try:
            return Answer(
                200, self._call(method, [unquote(part) for part in path.split("/")[1:]], parse_qs(parts.query), body)
            )
        except Refused as refused:
            return refused.answer

    def _call(self, method: str, path: list[str], query: dict[str, list[str]], body: Any) -> object:
        match (method, path):
            case ("GET", ["folders"]):
                return [
                    {"id": index, "uid": uid, "title": each["title"]}
                    for index, (uid, each) in enumerate(self.folders.items(), 1)
                ]
            case ("POST", ["folders"]):
                return self._make_folder(body)
            case ("DELETE", ["folders", uid]):
                return self._removed(self.folders, uid, "folder")
            case ("GET", ["dashboards", "uid", uid]):
                return self._dashboard(uid)
            case ("POST", ["dashboards", "db"]):
                return self._save(body)
            case ("DELETE", ["dashboards", "uid", uid]):
                return self._removed(self.dashboards, uid, "Dashboard")
            case ("GET", ["datasources"]):
                self._admins("datasources:read")
                return list(self.datasources.values())
            case ("POST", ["datasources"]):
                return self._make_datasource(body)
            case ("PUT", ["datasources", "uid", uid]):
                return self._change_datasource(uid, body)
            case ("GET", ["datasources", "uid", uid, "health"]):
                return self._health(uid)
            case ("GET", ["annotations"]):
                wanted = set(query.get("tags", []))
                most = int(query.get("limit", ["100"])[0])
                return [each for each in self.annotations if wanted <= set(each["tags"])][:most]
            case ("POST", ["annotations"]):
                return self._annotate(body)
            case ("DELETE", ["annotations", identifier]):
                self.annotations = [each for each in self.annotations if each["id"] != int(identifier)]
                return {"message": "Annotation deleted"}
        raise Refused(404, "Not found")

    def _admins(self, action: str) -> None:
        if not self.admin:
            raise Refused(
                403, f"You'll need additional permissions to perform this action. Permissions needed: {action}"
            )

    def _make_folder(self, body: dict[str, Any]) -> object:
        if not body.get("title"):
            raise Refused(400, "folder title cannot be empty")
        if body["uid"] in self.folders:
            raise Refused(409, "a folder with the same uid already exists")
        self.folders[body["uid"]] = {"uid": body["uid"], "title": body["title"]}
        return {"id": len(self.folders), **self.folders[body["uid"]], "version": 1}

    def _dashboard(self, uid: str) -> object:
        if uid not in self.dashboards:
            raise Refused(404, "Dashboard not found")
        kept = self.dashboards[uid]
        return {
            "dashboard": kept["dashboard"],
            "meta": {
                "folderUid": kept["folder"],
                "provisioned": uid in self.provisioned,
                "version": kept["dashboard"]["version"],
            },
        }

    def _save(self, body: dict[str, Any]) -> object:
        sent, folder = body["dashboard"], body.get("folderUid", "")
        uid = sent.get("uid")
        if not sent.get("title") or not uid or len(uid) > 40:
            raise Refused(400, "Dashboard title cannot be empty" if uid else "uid is missing")
        if sent.get("id"):
            raise Refused(404, "Dashboard not found")
        if folder and folder not in self.folders:
            raise Refused(400, "folder not found")
        if uid in self.provisioned:
            raise Refused(400, "Cannot save provisioned dashboard")
        known = self.dashboards.get(uid)
        if known and not body.get("overwrite") and sent.get("version") != known["dashboard"]["version"]:
            raise Refused(412, "The dashboard has been changed by someone else", status="version-mismatch")
        version = known["dashboard"]["version"] + 1 if known else 1
        added = {"id": 7, "version": version, "weekStart": "", "schemaVersion": 43}
        self.dashboards[uid] = {"dashboard": {**json.loads(json.dumps(sent)), **added}, "folder": folder}
        self.saved.append(body)
        return {"id": 7, "uid": uid, "url": f"/d/{uid}/x", "status": "success", "version": version, "slug": "x"}

    def _make_datasource(self, body: dict[str, Any]) -> object:
        self._admins("datasources:create")
        if body["uid"] in self.datasources or any(each["name"] == body["name"] for each in self.datasources.values()):
            raise Refused(409, "data source with the same name already exists")
        self.datasources[body["uid"]] = {"id": 1, "isDefault": False, "readOnly": False, "version": 1, **body}
        return {
            "datasource": self.datasources[body["uid"]],
            "id": 1,
            "message": "Datasource added",
            "name": body["name"],
        }

    def _change_datasource(self, uid: str, body: dict[str, Any]) -> object:
        self._admins("datasources:write")
        known = self.datasources.get(uid)
        if known is None:
            raise Refused(404, "Data source not found")
        if known["readOnly"]:
            raise Refused(403, "Cannot update read-only data source")
        if body.get("version", known["version"]) != known["version"]:
            raise Refused(409, "Datasource has already been updated by someone else. Please reload and try again")
        self.datasources[uid] = {**known, **body, "version": known["version"] + 1}
        return {"datasource": self.datasources[uid], "id": 1, "message": "Datasource updated", "name": known["name"]}

    def _health(self, uid: str) -> object:
        if uid not in self.datasources:
            raise Refused(404, "Data source not found")
        if self.datasources[uid]["url"] in self.unreachable:
            raise Refused(
                400,
                "Post api/v1/query: connection refused - There was an error returned querying the Prometheus API.",
                status="ERROR",
            )
        return {"status": "OK", "message": "Successfully queried the Prometheus API."}

    def _annotate(self, body: dict[str, Any]) -> object:
        if not body.get("text"):
            raise Refused(400, "Failed to save annotation: text field should not be empty")
        self.annotations.insert(0, {"id": secrets.randbits(31), **body})
        return {"message": "Annotation added", "id": len(self.annotations)}

    def _removed(self, kept: dict[str, Any], uid: str, what: str) -> object:
        if kept.pop(uid, None) is None:
            raise Refused(404, f"{what} not found")
        return {"message": f"{what} {uid} deleted", "id": 7}


@contextmanager
def grafana_stub(stub: GrafanaStub | None = None) -> Iterator[GrafanaStub]:
    """`stub` (a fresh one by default) behind a port of 127.0.0.1; `url` is set."""
    state = stub or GrafanaStub()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            body = json.loads(sent) if sent and sent != b"null" else None
            answer = state.answer(self.command, self.path, self.headers.get("Authorization"), body)
            if answer.silent:
                state.gone.wait(30)
                return
            text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in {
                "Content-Type": JSON,
                **answer.headers,
                "Content-Length": str(len(text.encode())),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    state.url = f"http://127.0.0.1:{server.server_address[1]}{state.prefix}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        state.gone.set()
        server.shutdown()
        thread.join(5)
        server.server_close()
