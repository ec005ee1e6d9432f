"""Credentials of a node that is not ours: read from files or the environment, kept out of bundles and messages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.adapters.protocol import Endpoint
from bench.model.errors import ConfigurationError
from bench.model.masking import MASK, texts_in
from bench.scenario.schema import EndpointChoice

KEY_VARIABLE = "BENCH_FUNDING_KEY"


def external_endpoint(choice: EndpointChoice) -> Endpoint:
    """Where and how to reach the node. ConfigurationError where a bundle's scenario no longer says it."""
    options: dict[str, Any] = dict(choice.options)
    if MASK in choice.url:
        raise ConfigurationError(
            "the endpoint's address has lost its key: bundles do not keep keys",
            value=choice.url,
            remedy="give the whole address again with --endpoint",
        )
    for name, value in options.items():
        for address in texts_in(value):
            if "://" in address and MASK in address:
                raise ConfigurationError(
                    f"the endpoint's option {name} has lost a key: bundles do not keep keys",
                    value=address,
                    remedy=f"`bench.py run` the bundle's scenario.yaml with --set endpoint.options.{name}=…, "
                    "and compare the bundles",
                )
    if choice.chain_id is not None:
        options["chain_id"] = choice.chain_id
    headers = _headers(Path(choice.headers_file)) if choice.headers_file else {}
    return Endpoint(choice.url, headers, options)


def external_secrets(key_file: Path | None) -> Mapping[str, str]:
    """The funding key, from the file or from BENCH_FUNDING_KEY; empty when there is none."""
    if key_file is not None:
        return {"funding_key": _read(key_file, "key").strip()}
    key = os.environ.get(KEY_VARIABLE, "").strip()
    return {"funding_key": key} if key else {}


def _headers(path: Path) -> dict[str, str]:
    headers = {}
    for number, line in enumerate(_read(path, "headers").splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ConfigurationError(f"{path}:{number}: not a header", remedy="write one `Name: value` per line")
        headers[name.strip()] = value.strip()
    return headers


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the {what} file cannot be read: {error}", remedy=f"check --{what}-file") from error
