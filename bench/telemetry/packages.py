"""Prometheus' programs: on PATH, else of Debian packages (`bench.ledgers.install.debian`)."""

from __future__ import annotations

from bench.ledgers.install import debian
from bench.ledgers.install.debian import DebianPackage, Found, Program
from bench.ledgers.protocol import Progress
from bench.model.errors import HarnessError, LedgerError

PROMETHEUS = DebianPackage(
    name="prometheus",
    version="2.42.0+ds-5+deb12u1",
    sha256={"amd64": "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"},
    size="23 MB",
    companions=(  # its web pages
        "fonts-glyphicons-halflings",
        "libjs-bootstrap4",
        "libjs-d3",
        "libjs-eonasdan-bootstrap-datetimepicker",
        "libjs-jquery",
        "libjs-jquery-hotkeys",
        "libjs-moment",
        "libjs-moment-timezone",
        "libjs-mustache",
        "libjs-popper.js",
        "libjs-rickshaw",
    ),
)
ALERTMANAGER = DebianPackage(
    name="prometheus-alertmanager",
    version="0.25.0-1+b4",
    sha256={"amd64": "4fb9aed15cfe8e0c32408e643ab32a1e41ee87d2cc26f18aeba928b1b0b98ae7"},
    size="11 MB",
    moved="usr/share/prometheus/alertmanager",  # its message templates
)


PROGRAMS = {
    "prometheus": Program(("prometheus",), PROMETHEUS),
    "promtool": Program(("promtool",), PROMETHEUS),
    "alertmanager": Program(("alertmanager", "prometheus-alertmanager"), ALERTMANAGER),
    "amtool": Program(("amtool",), ALERTMANAGER),
}


def install(name: str, progress: Progress) -> Found:
    """The program `name`, a key of `PROGRAMS`; its package is fetched when there is none. Raises HarnessError."""
    try:
        return debian.install(PROGRAMS[name], progress)
    except LedgerError as error:  # it speaks of nodes
        remedy = f"{error.remedy}; docker/compose.yml brings one in a container"
        raise HarnessError(error.what, value=error.value, remedy=remedy) from error
