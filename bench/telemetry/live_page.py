"""The live page as it is served: one document, style and script inside, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources


@cache
def page() -> bytes:
    """HTML in UTF-8. Its policy allows this very style and script, by digest, and requests to where it came from."""
    style, script = _part("page.css"), _part("page.js")
    document = _part("page.html")
    for name, text in (
        ("{style_hash}", _digest(style)),
        ("{script_hash}", _digest(script)),
        ("{style}", style),
        ("{script}", script),
    ):
        document = document.replace(name, text)
    return document.encode()


def _part(name: str) -> str:
    return resources.files("bench.telemetry").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
