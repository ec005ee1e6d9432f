"""What of the PostgreSQL baseline needs no server."""

import os
import struct

import pytest

from bench.adapters.postgres import finality_of
from bench.adapters.postgres_sequencer import check_address
from bench.ledgers import postgres_server
from bench.ledgers.postgres_database import _numeric, _outgoing, translated
from bench.ledgers.postgres_settings import Settings
from bench.model.errors import ConfigurationError, IntegrityError


@pytest.mark.parametrize(
    ("statement", "text", "names"),
    [
        ("SELECT :a + :b - :a", "SELECT $1 + $2 - $1", ("a", "b")),
        ("SELECT ':a', \":b\", x::bigint, :c", "SELECT ':a', \":b\", x::bigint, $1", ("c",)),
        ("SELECT 'it''s :a', 10 % :b", "SELECT 'it''s :a', 10 % $1", ("b",)),
        ("SELECT 1", "SELECT 1", ()),
    ],
)
def test_named_parameters_become_numbers(statement: str, text: str, names: tuple[str, ...]) -> None:
    assert translated(statement) == (text, names)


@pytest.mark.parametrize("value", [0, 1, 9_999, 10_000, 123_456_789_012_345_678_901, -10_000_000_000_000, 40_000_000])
def test_sums_that_are_numeric_are_read(value: int) -> None:
    digits, rest = [], abs(value)
    while rest:
        digits.insert(0, rest % 10_000)
        rest //= 10_000
    weight = max(len(digits) - 1, 0)
    while digits and digits[-1] == 0:  # as PostgreSQL does: no trailing zeros
        digits.pop()
    head = struct.pack(">hhHH", len(digits), weight, 0x4000 if value < 0 else 0, 0)
    assert _numeric(head + struct.pack(f">{len(digits)}H", *digits)) == value


def test_what_no_column_holds_is_refused() -> None:
    assert _outgoing(True) == ((1).to_bytes(8, "big"), 1)
    assert _outgoing(None) == (None, 0)
    with pytest.raises(OverflowError):
        _outgoing(2**63)
    with pytest.raises(TypeError):
        _outgoing([1])
    with pytest.raises(TypeError, match="not whole"):
        _numeric(struct.pack(">hhHHH", 1, 0, 0, 2, 5))


def test_settings_that_lose_commits_are_named() -> None:
    durable = (("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"))
    Settings(durable, 0).refuse_if_volatile()
    assert Settings(durable, None).lines()[-1] == "standbys=unknown"
    with pytest.raises(IntegrityError, match="synchronous_commit=off"):
        Settings((*durable[:2], ("synchronous_commit", "off")), 0).refuse_if_volatile()


@pytest.mark.parametrize(
    ("fsync", "commit", "name"),
    [
        ("on", "on", "commit (fsync)"),
        ("on", "local", "commit (fsync)"),
        ("on", "remote_apply", "commit (fsync)"),
        ("on", "off", "commit (fsync later: synchronous_commit=off)"),
        ("off", "on", "commit (not durable: fsync=off)"),
    ],
)
def test_finality_is_named_by_what_the_server_said(fsync: str, commit: str, name: str) -> None:
    settings = ["server_version=17.2", f"fsync={fsync}", f"synchronous_commit={commit}", "standbys=0"]
    assert finality_of(settings).name == name


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgresql://h/d?Password=p", "postgresql://h/d?passfile=/x"])
def test_an_address_with_a_password_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="carries a password") as caught:
        check_address(url)
    assert url not in str(caught.value)


def test_root_gives_up_its_rights_and_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert postgres_server.unprivileged(["postgres", "-D", "x"]) == ["postgres", "-D", "x"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    command = postgres_server.unprivileged(["postgres", "-D", "x"])
    assert command[-3:] == ["postgres", "-D", "x"]
    assert command[command.index("--ambient-caps") + 1] == "+dac_override"
    assert command[command.index("--reuid") + 1] != "0"
