"""`bench.py watch`: a run that was started with `--live`, seen from another terminal of this machine or, by address, of
another.
"""

from __future__ import annotations

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from bench.cli.output import note
from bench.model.errors import ConfigurationError

if TYPE_CHECKING:
    from bench.telemetry.live_data import LiveData

EVERY_S = 1.0
PATIENCE_S = 4.0
LOST_AFTER = 3
"""So many requests in a row without an answer, and the run is over: its process serves no more."""
LAST_WORDS_S = 5.0
"""Another run of the same command may follow one that has ended; after so long none does."""
MOST_BYTES = 8_000_000
_START_ONE = "start a run with `bench.py run … --live`, or give the address that it printed"
_EXAMPLE = """\b
Examples:
  bench.py watch
  bench.py watch http://127.0.0.1:9464
  bench.py watch --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch", epilog=_EXAMPLE)(watch)


def watch(
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Address that the run printed; else one on this machine.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is known now as JSON, once.")] = False,
) -> None:
    """Follow a run that was started with --live.

    Is the ledger alive, is it keeping up, or is it us? On a terminal the picture is renewed every second; elsewhere
    lines come every few seconds. It ends when the run ends.
    """
    from bench.cli.watch_view import shown_live

    address = _address(url)
    first = _first(address)
    if as_json:
        sys.stdout.write(first.to_json().decode() + "\n")
        return
    with shown_live() as show:
        last = _follow(first, lambda: fetched(address), show)
    if last.ended:
        note(f"the run has ended: {last.outcome}")
    else:
        note("no answer any more: the run has ended or was stopped")


def fetched(address: str) -> LiveData | None:
    """The picture as it is now; None when nobody answers. ConfigurationError when what answers is something else."""
    from bench.telemetry.live_data import LiveData

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no way to this machine's ports
    try:
        with direct.open(address + "api/live.json", timeout=PATIENCE_S) as answer:
            body = answer.read(MOST_BYTES)
        return LiveData.from_json(body)
    except urllib.error.HTTPError as error:
        error.close()
        raise _other(address, f"it answers {error.code}") from error
    except ValueError as error:
        raise _other(address, f"what it sends cannot be read: {str(error).splitlines()[0]}") from error
    except (OSError, http.client.HTTPException):
        return None


def _follow(first: LiveData, look: Callable[[], LiveData | None], show: Callable[[LiveData], None]) -> LiveData:
    """Show what comes until it ends; the last one."""
    last, unheard, ended_at = first, 0, None
    show(first)
    for found in _every_second(look):
        unheard = 0 if found else unheard + 1
        last = found or last
        show(last)
        ended_at = (ended_at or time.monotonic()) if last.ended else None
        over = ended_at is not None and (found is None or time.monotonic() - ended_at > LAST_WORDS_S)
        if over or unheard >= LOST_AFTER:
            break
    return last


def _every_second(look: Callable[[], LiveData | None]) -> Iterator[LiveData | None]:
    began = time.monotonic()
    while True:
        time.sleep(max(0.0, began + EVERY_S - time.monotonic()))
        began = time.monotonic()
        yield look()


def _first(address: str) -> LiveData:
    found = fetched(address)
    if found is None:
        raise ConfigurationError("nothing answers there", value=address, remedy=f"is the run still on? {_START_ONE}")
    return found


def _address(url: str | None) -> str:
    """With the slash at its end."""
    if url is None:
        return _found_here()
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or parts.query or parts.fragment:
        raise ConfigurationError("not an address of a run", value=url, remedy="http://HOST:PORT, as the run printed it")
    return text.rstrip("/") + "/"


def _found_here() -> str:
    from bench.telemetry.address import served

    here = served()
    if not here:
        raise ConfigurationError("no run that can be watched is on here", remedy=_START_ONE)
    if len(here) > 1:
        note(f"{len(here)} runs are on; this is the one started last. Others: {', '.join(one.url for one in here[1:])}")
    return here[0].url


def _other(address: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"no live run of this version is there: {why}", value=address, remedy=_START_ONE)
