"""The few calls to Grafana that dashboards need, each failure told in words.

Everything grafana-api is used for is here: folders, dashboards and data sources by uid, annotations. That package
brings requests, so it is imported when a `Grafana` is made and never by a process that makes load. Written for Grafana
11 to 13: no numeric id of a dashboard, folder or data source is ever used, because newer versions do not know them.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from bench.model.errors import BenchError, ConfigurationError, ExitCode

TOKEN_VARIABLE = "BENCH_GRAFANA_TOKEN"
KEYRING_SERVICE = "ledger-bench-grafana"
DEFAULT_URL = "http://127.0.0.1:3000"
TIMEOUT_S = 10.0
MOST_ANNOTATIONS = 10_000
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Object = dict[str, Any]


class GrafanaError(BenchError):
    """Grafana refused, failed, or is not what answers. `status` is the HTTP status, None when there was none."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, value: object = None, remedy: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(what, value=value, remedy=remedy)


def find_token(url: str) -> str:
    """The token from the environment, else from the keyring when that package is installed (service
    `ledger-bench-grafana`, user: the address). Raises ConfigurationError.
    """
    token = os.environ.get(TOKEN_VARIABLE) or _from_keyring(url)
    if not token:
        raise ConfigurationError(
            "no token for Grafana",
            remedy=f"make a token of a service account in Grafana and put it into {TOKEN_VARIABLE}",
        )
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            "the token for Grafana has characters that no token has", remedy=f"set {TOKEN_VARIABLE} again"
        )
    return token


def _from_keyring(url: str) -> str | None:
    try:
        keyring, errors = importlib.import_module("keyring"), importlib.import_module("keyring.errors")
    except ModuleNotFoundError:
        return None
    try:
        found: str | None = keyring.get_password(KEYRING_SERVICE, url)
    except errors.KeyringError as error:
        raise ConfigurationError(
            f"the keyring does not answer: {error}", remedy=f"unlock it, or put the token into {TOKEN_VARIABLE}"
        ) from error
    return found


class Grafana:
    """One Grafana at `url`, which may have a path. Every call raises GrafanaError; none is repeated by itself."""

    def __init__(self, url: str, token: str, timeout_s: float = TIMEOUT_S) -> None:
        host, port, prefix = _parts(url)
        from grafana_api.grafana_face import GrafanaFace

        self.url = url.rstrip("/")
        self._face = GrafanaFace(
            auth=token, host=host, port=port, url_path_prefix=prefix, protocol=urlsplit(url).scheme, timeout=timeout_s
        )
        # A redirect is a login page, or turns a POST into a GET: it is an error, never followed.
        self._face.api.s.max_redirects = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._face.api.s.close()

    def version(self) -> str:
        """What it says it is; also tells whether a Grafana answers at all."""
        answer = self._object("version", lambda: self._face.api.GET("/health"))
        if "database" not in answer:
            raise GrafanaError("what answers is no Grafana", value=self.url, remedy=_CHECK_URL)
        return str(answer.get("version", "unknown"))

    def folders(self) -> list[Object]:
        """Folders at the root: `uid`, `title`."""
        return self._objects("folders", self._face.folder.get_all_folders)

    def create_folder(self, uid: str, title: str) -> bool:
        """False when a folder with this uid or title is there already."""
        try:
            self._object("folder", lambda: self._face.folder.create_folder(title, uid=uid))
        except GrafanaError as error:
            if error.status in (409, 412):
                return False
            raise
        return True

    def dashboard(self, uid: str) -> Object | None:
        """`{"dashboard": …, "meta": …}`, None when there is none."""
        return self._or_none(lambda: self._object("dashboard", lambda: self._face.dashboard.get_dashboard(_path(uid))))

    def save_dashboard(self, dashboard: Mapping[str, Any], folder_uid: str, message: str) -> Object:
        """Create or replace the dashboard with this `uid`."""
        body = {
            "dashboard": {**dashboard, "id": None},
            "folderUid": folder_uid,
            "message": message,
            "overwrite": True,
        }
        return self._object(f"dashboard {dashboard['uid']}", lambda: self._face.dashboard.update_dashboard(body))

    def datasources(self) -> list[Object]:
        """All data sources: `uid`, `name`, `type`, `url`, `isDefault`, `jsonData`, `readOnly`."""
        return self._objects("data sources", self._face.datasource.list_datasources)

    def create_datasource(self, datasource: Mapping[str, Any]) -> None:
        """A data source with the `uid` it names."""
        self._object("data source", lambda: self._face.datasource.create_datasource(dict(datasource)))

    def update_datasource(self, datasource: Mapping[str, Any]) -> None:
        """Replace the data source with this `uid`."""
        path = f"/datasources/uid/{_path(datasource['uid'])}"
        self._object("data source", lambda: self._face.api.PUT(path, json=dict(datasource)))

    def datasource_health(self, uid: str) -> tuple[bool, str]:
        """Whether Grafana reaches what is behind it, and what it says of it."""
        path = f"/datasources/uid/{_path(uid)}/health"
        try:
            answer = self._object("data source", lambda: self._face.api.GET(path))
        except GrafanaError as error:
            if error.status == 400:
                return False, str(error.value)
            raise
        return answer.get("status") == "OK", str(answer.get("message", ""))

    def annotations(self, tags: list[str]) -> list[Object]:
        """Annotations that have all `tags`: `time` and `timeEnd` in ms, `text`, `tags`."""
        escaped = [quote(tag, safe="") for tag in tags]
        return self._objects(
            "annotations", lambda: self._face.annotations.get_annotation(tags=escaped, limit=MOST_ANNOTATIONS)
        )

    def annotate(self, time_ms: int, end_ms: int, text: str, tags: list[str]) -> None:
        """An annotation of the organisation: every dashboard that asks for its tags shows it."""
        body = {"time": time_ms, "timeEnd": end_ms, "text": text, "tags": tags}
        self._object("annotation", lambda: self._face.api.POST("/annotations", json=body))

    def _or_none(self, call: Callable[[], Object]) -> Object | None:
        try:
            return call()
        except GrafanaError as error:
            if error.status == 404:
                return None
            raise

    def _object(self, what: str, call: Callable[[], object]) -> Object:
        answer = self._asked(what, call)
        if not isinstance(answer, dict):
            raise GrafanaError(f"Grafana answered about {what} what was not asked", value=self.url, remedy=_CHECK_URL)
        return answer

    def _objects(self, what: str, call: Callable[[], object]) -> list[Object]:
        answer = self._asked(what, call)
        if not isinstance(answer, list) or not all(isinstance(each, dict) for each in answer):
            raise GrafanaError(f"Grafana answered about {what} what was not asked", value=self.url, remedy=_CHECK_URL)
        return answer

    def _asked(self, what: str, call: Callable[[], object]) -> object:
        """`call`, with every way it can fail told as GrafanaError."""
        from grafana_api.grafana_api import GrafanaException
        from requests import exceptions

        try:
            return call()
        except GrafanaException as error:
            raise _refusal(what, error.status_code, error.response) from error
        except exceptions.TooManyRedirects as error:
            target = "" if error.response is None else error.response.headers.get("Location", "")
            raise GrafanaError(f"{self.url} leads elsewhere", value=target, remedy=_REDIRECT) from error
        except exceptions.SSLError as error:
            raise GrafanaError(f"no secure connection to {self.url}: {_last(error)}", remedy=_TLS) from error
        except exceptions.Timeout as error:
            raise GrafanaError(f"{self.url} did not answer in time", value=what, remedy=_SLOW) from error
        except exceptions.ConnectionError as error:
            raise GrafanaError(f"{self.url} cannot be reached: {_last(error)}", remedy=_UNREACHABLE) from error
        except ValueError as error:  # also what requests raises for a body that is no JSON
            raise GrafanaError("what answers is no Grafana: no JSON", value=self.url, remedy=_CHECK_URL) from error
        except TypeError as error:  # grafana-api stumbles over an error page that speaks of a "message"
            raise GrafanaError(
                "what answers is no Grafana: an error page", value=self.url, remedy=_CHECK_URL
            ) from error
        except exceptions.RequestException as error:
            raise GrafanaError(f"asking {self.url} failed: {_last(error)}", remedy=_CHECK_URL) from error


_CHECK_URL = (
    "see that --url is Grafana's own address, with its path if it has one, and not that of a login page before it"
)
_REDIRECT = "give as --url the address it leads to; if that is a login page, give the address behind it"
_TLS = "for a certificate of your own authority set REQUESTS_CA_BUNDLE to its file"
_SLOW = "see whether Grafana is overloaded, then run the command again: it repeats nothing that is done"
_UNREACHABLE = "see that Grafana runs, and that --url names its host and port"

_REMEDIES = {
    400: "see Grafana's log",
    401: f"put a token that is still valid into {TOKEN_VARIABLE}",
    403: "give the token's service account the role Editor; for data sources, Admin",
    404: _CHECK_URL,
    409: "somebody changes the same thing now; run the command again",
    412: "somebody changed the dashboard, or a plug-in owns it; run the command again, or delete it in Grafana",
    429: "wait, then run the command again",
}
_PROVISIONED = (
    "it comes from files: change them there, or allow changes with allowUiUpdates: true in Grafana's provisioning"
)
_SERVER = "see Grafana's log, then run the command again: it repeats nothing that is done"


def _refusal(what: str, status: int, response: object) -> GrafanaError:
    message = str(response.get("message", "")) if isinstance(response, dict) else str(response)
    short = " ".join(message.split())[:200]
    remedy = _SERVER if status >= 500 else _REMEDIES.get(status, _REMEDIES[400])
    if "provisioned" in short.lower():
        remedy = _PROVISIONED
    return GrafanaError(f"Grafana refused ({status}) the {what}", value=short or None, remedy=remedy, status=status)


def _last(error: BaseException) -> str:
    """The innermost reason: requests and urllib3 wrap it several times."""
    reason: object = error
    while True:
        inner = getattr(reason, "reason", None) or next(iter(getattr(reason, "args", ())), None)
        if not isinstance(inner, BaseException):
            return str(reason)
        reason = inner


def _parts(url: str) -> tuple[str, int | None, str]:
    """Host, port and path as grafana-api wants them. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError("address of Grafana is malformed", value=url, remedy=_EXAMPLE) from error
    if "@" in parts.netloc:
        raise ConfigurationError(
            "address of Grafana holds a name or password",
            remedy=f"give the address alone; a token goes into {TOKEN_VARIABLE}",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError("address of Grafana is malformed", value=url, remedy=_EXAMPLE)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.strip("/")
    return host, port, f"{path}/" if path else ""


_EXAMPLE = f"for example {DEFAULT_URL} or https://example.org/grafana"


def sends_openly(url: str) -> bool:
    """Whether the token would cross a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK


def _path(uid: object) -> str:
    return quote(str(uid), safe="")
