from __future__ import annotations

import textwrap
from importlib import metadata
from pathlib import Path

import pytest

from bench import registry
from bench.model.errors import ConfigurationError
from bench.model.workload import Workload


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions, the only ones whose entry points count; their modules can be imported."""

    def entry_points(group: str) -> metadata.EntryPoints:
        found = metadata.distributions(path=[str(tmp_path)])
        return metadata.EntryPoints(point for one in found for point in one.entry_points).select(group=group)

    monkeypatch.setattr(registry.metadata, "entry_points", entry_points)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def publish(site: Path, distribution: str, entry_points: str, version: str = "1.2.3") -> None:
    folder = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(textwrap.dedent(entry_points))


def test_plugins_are_listed_by_group_and_name_with_their_distribution(site: Path) -> None:
    publish(
        site, "city-ledgers", "[bench.workloads]\nland-title = no.such:W\n[bench.ledgers]\nb = no.b:B\na = no.a:A\n"
    )
    assert [(p.group, p.name, p.distribution, p.version, p.reference) for p in registry.plugins()] == [
        ("ledgers", "a", "city-ledgers", "1.2.3", "no.a:A"),
        ("ledgers", "b", "city-ledgers", "1.2.3", "no.b:B"),
        ("workloads", "land-title", "city-ledgers", "1.2.3", "no.such:W"),
    ]
    assert registry.names("ledgers") == ["a", "b"]


def test_a_name_claimed_twice_is_refused_with_both_owners(site: Path) -> None:
    publish(site, "first", "[bench.adapters]\nevm = one:A\n")
    publish(site, "second", "[bench.adapters]\nevm = two:A\n")
    with pytest.raises(ConfigurationError) as caught:
        registry.plugins()
    assert "'evm'" in str(caught.value)
    assert "first (one:A)" in str(caught.value)
    assert "second (two:A)" in str(caught.value)


def test_unknown_names_get_the_nearest_and_the_list(site: Path) -> None:
    publish(site, "first", "[bench.ledgers]\nanvil = one:A\nsqlite = one:S\n")
    with pytest.raises(ConfigurationError) as caught:
        registry.ledger("anvli")
    assert caught.value.value == "anvli"
    assert caught.value.remedy == "did you mean 'anvil'? known ledgers: anvil, sqlite"


@pytest.mark.parametrize(("group", "name"), [("workload", "notary"), ("ledger", "geth-clique"), ("adapter", "evm")])
def test_what_is_in_this_checkout_and_not_registered_asks_for_an_installation(
    site: Path, group: str, name: str
) -> None:
    publish(site, "older", f"[bench.{group}s]\nother = one:A\n")
    with pytest.raises(ConfigurationError) as caught:
        getattr(registry, group)(name)
    assert "`make setup`" in str(caught.value.remedy)
    with pytest.raises(ConfigurationError) as caught:
        getattr(registry, group)("no-such-thing")
    assert "make setup" not in str(caught.value.remedy)


def test_nothing_registered_says_what_to_do(site: Path) -> None:
    with pytest.raises(ConfigurationError, match="make setup"):
        registry.adapter("evm")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
        ("import absent_library\n", "ModuleNotFoundError: No module named 'absent_library'"),
        ("x = 1\n", "AttributeError"),
    ],
)
def test_a_plugin_that_fails_to_import_is_named_with_its_reason(site: Path, module: str, reason: str) -> None:
    name = f"broken_plugin_{len(module)}"
    (site / f"{name}.py").write_text(module)
    publish(site, "broken-pack", f"[bench.adapters]\nbroken = {name}:Adapter\n")
    with pytest.raises(ConfigurationError) as caught:
        registry.adapter("broken")
    assert "'broken' of broken-pack 1.2.3" in str(caught.value)
    assert reason in str(caught.value)
    assert [p.name for p in registry.plugins()] == ["broken"], "listing does not import"


def test_a_factory_is_called_anew_each_time(site: Path) -> None:
    (site / "made_ledger.py").write_text("class L:\n    pass\n")
    publish(site, "pack", "[bench.ledgers]\nmade = made_ledger:L\n")
    assert registry.ledger("made") is not registry.ledger("made")


def test_a_workload_must_be_a_value(site: Path) -> None:
    (site / "made_workload.py").write_text(
        "from pathlib import Path\nfrom bench.api import Workload\n"
        "W = Workload('made', 's', 'm:U', Path('.'), (), frozenset({'evm'}))\nclass C: pass\n"
    )
    publish(site, "pack", "[bench.workloads]\nmade = made_workload:W\nwrong = made_workload:C\n")
    found = registry.workload("made")
    assert isinstance(found, Workload)
    assert found.name == "made"
    with pytest.raises(ConfigurationError, match=r"not a bench\.api\.Workload"):
        registry.workload("wrong")
