"""Calls to Grafana: what is sent, and how each failure is told."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.model.errors import ConfigurationError
from bench.telemetry.grafana import Grafana, GrafanaError, _parts, find_token, sends_openly
from tests.support.grafana_stub import TOKEN, Answer, GrafanaStub, grafana_stub

ROOT = Path(__file__).parents[3]
HTML = {"Content-Type": "text/html"}


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy the machine has, the stub is asked past it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("status", "body", "said", "remedy"),
    [
        (400, {"message": "Dashboard title cannot be empty"}, "title cannot be empty", "Grafana's log"),
        (400, {"message": "Cannot save provisioned dashboard"}, "provisioned", "allowUiUpdates"),
        (401, {"message": "Invalid API key"}, "Invalid API key", "BENCH_GRAFANA_TOKEN"),
        (403, {"message": "Permissions needed: dashboards:write"}, "dashboards:write", "Editor"),
        (404, {"message": "Not found"}, "Not found", "--url"),
        (409, {"message": "already updated"}, "already updated", "run the command again"),
        (412, {"message": "changed by someone else", "status": "version-mismatch"}, "someone else", "run the command"),
        (412, {"message": "belongs to plugin", "status": "plugin-dashboard"}, "belongs to plugin", "plug-in owns it"),
        (429, {"message": "Too many requests"}, "Too many", "wait"),
        (500, {"message": "database is locked"}, "database is locked", "Grafana's log"),
        (502, "Bad Gateway", "Bad Gateway", "Grafana's log"),
        (503, {}, "503", "Grafana's log"),
        (418, ["a list"], "a list", "Grafana's log"),
    ],
)
def test_a_refusal_says_what_and_what_to_do(status: int, body: object, said: str, remedy: str) -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        stub.fail("POST /dashboards/db", Answer(status, body))
        with pytest.raises(GrafanaError) as caught:
            grafana.save_dashboard({"uid": "x", "title": "X"}, "", "")
    assert caught.value.status == status
    assert said in str(caught.value)
    assert remedy in caught.value.remedy
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200, "<html>Sign in</html>", HTML), "no JSON"),
        (Answer(500, "<html>no message for you</html>", HTML), "error page"),
        (Answer(302, "<a>Found</a>", {**HTML, "Location": "/login"}), "leads elsewhere (got '/login')"),
        (Answer(301, "", {"Location": "https://example.org/grafana"}), "leads elsewhere"),
        (Answer(200, {"folders": []}), "what was not asked"),
        (Answer(200, ["a", "b"]), "what was not asked"),
    ],
)
def test_what_is_no_grafana_is_told_as_that(answer: Answer, said: str) -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        stub.fail("GET /folders", answer)
        with pytest.raises(GrafanaError) as caught:
            grafana.folders()
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_post_is_never_turned_into_a_get_by_a_redirect() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        stub.fail("POST /annotations", Answer(301, "", {"Location": f"{stub.url}/api/annotations"}))
        with pytest.raises(GrafanaError, match="leads elsewhere"):
            grafana.annotate(1, 2, "text", ["bench"])
        assert stub.asked == ["POST /annotations"]


def test_health_is_asked_first_and_something_else_is_told() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN) as grafana:
        assert grafana.version() == "13.0.1"
        stub.fail("GET /health", Answer(200, {"status": "up"}))
        with pytest.raises(GrafanaError, match="no Grafana"):
            grafana.version()


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    with grafana_stub() as stub, Grafana(stub.url, TOKEN, timeout_s=0.1) as grafana:
        stub.fail("GET /folders", Answer(0, silent=True))
        with pytest.raises(GrafanaError, match="did not answer in time"):
            grafana.folders()
        stub.gone.set()


def test_nobody_there_is_told_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Grafana(f"http://127.0.0.1:{port}", TOKEN) as grafana, pytest.raises(GrafanaError, match="refused") as caught:
        grafana.folders()
    assert "--url names its host and port" in caught.value.remedy


def test_a_certificate_nobody_vouches_for_is_told_as_that(tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            peer, _ = listener.accept()
            try:
                context.wrap_socket(peer, server_side=True).close()
            except OSError:
                pass  # the client hangs up, as it should
            finally:
                peer.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with Grafana(url, TOKEN) as grafana, pytest.raises(GrafanaError, match="no secure connection") as caught:
            grafana.folders()
        thread.join(5)
    assert "REQUESTS_CA_BUNDLE" in caught.value.remedy


def _self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return certificate, key


def test_a_grafana_below_a_path_is_found() -> None:
    with grafana_stub(GrafanaStub(prefix="/monitoring/grafana")) as stub:
        with Grafana(f"{stub.url}/", TOKEN) as grafana:
            assert grafana.folders() == []
        with (
            Grafana(stub.url.removesuffix("/monitoring/grafana"), TOKEN) as grafana,
            pytest.raises(GrafanaError) as caught,
        ):
            grafana.folders()
        assert "leads elsewhere" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:3000", ("127.0.0.1", 3000, "")),
        ("https://example.org", ("example.org", None, "")),
        ("https://example.org/grafana/", ("example.org", None, "grafana/")),
        ("http://[::1]:3000", ("[::1]", 3000, "")),
    ],
)
def test_addresses_are_taken_apart(url: str, parts: tuple[str, int | None, str]) -> None:
    assert _parts(url) == parts


@pytest.mark.parametrize(
    "url", ["127.0.0.1:3000", "ftp://example.org", "http://", "http://a:b", "http://a/?x=1", "http://user:secret@a"]
)
def test_malformed_addresses_are_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Grafana(url, TOKEN)
    assert "secret" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("url", "openly"),
    [
        ("http://127.0.0.1:3000", False),
        ("http://localhost:3000", False),
        ("http://[::1]:3000", False),
        ("https://example.org", False),
        ("http://example.org", True),
    ],
)
def test_only_plain_http_across_a_network_sends_the_token_openly(url: str, openly: bool) -> None:
    assert sends_openly(url) is openly


class Keyring:
    """What of the package `keyring` is used."""

    class KeyringError(Exception):
        pass

    def __init__(self, kept: str | None, locked: bool = False) -> None:
        self.kept = kept
        self.locked = locked
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, user: str) -> str | None:
        self.asked.append((service, user))
        if self.locked:
            raise self.KeyringError("locked")
        return self.kept

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", self)
        monkeypatch.setitem(sys.modules, "keyring.errors", self)


def test_the_token_comes_from_the_environment_then_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = Keyring("glsa_kept")
    keyring.install(monkeypatch)
    monkeypatch.setenv("BENCH_GRAFANA_TOKEN", " glsa_given\n")
    assert find_token("http://a") == "glsa_given"
    assert keyring.asked == []
    monkeypatch.delenv("BENCH_GRAFANA_TOKEN")
    assert find_token("http://a") == "glsa_kept"
    assert keyring.asked == [("ledger-bench-grafana", "http://a")]


def test_a_keyring_that_has_none_or_is_locked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_GRAFANA_TOKEN", raising=False)
    Keyring(None).install(monkeypatch)
    with pytest.raises(ConfigurationError, match="no token"):
        find_token("http://a")
    Keyring("glsa_kept", locked=True).install(monkeypatch)
    with pytest.raises(ConfigurationError, match="does not answer: locked"):
        find_token("http://a")


def test_no_token_is_told_with_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_GRAFANA_TOKEN", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)  # as if it were not installed
    with pytest.raises(ConfigurationError, match="no token"):
        find_token("http://a")


@pytest.mark.parametrize("token", ["glsa_a\nX-Header: b", "glsa a", "glsa_ü"])
def test_a_token_that_would_break_the_request_is_refused(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("BENCH_GRAFANA_TOKEN", token)
    with pytest.raises(ConfigurationError) as caught:
        find_token("http://a")
    assert token not in str(caught.value)


def test_importing_it_brings_no_http_library() -> None:
    code = (
        "import sys, bench.telemetry.grafana, bench.telemetry.dashboards, bench.telemetry.annotations, bench.cli.main;"
        "print(sorted({'requests', 'urllib3', 'grafana_api'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
