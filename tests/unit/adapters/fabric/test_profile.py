"""Connection profiles as Fabric's SDKs and consoles write them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.adapters.fabric.options import read_options
from bench.adapters.fabric.profile import Server, read_profile
from bench.model.errors import ConfigurationError

PROFILE: dict[str, Any] = {
    "client": {"organization": "Org1"},
    "organizations": {
        "Org1": {"mspid": "Org1MSP", "peers": ["a.org1", "b.org1"], "certificateAuthorities": ["ca"]},
        "Org2": {"mspid": "Org2MSP", "peers": ["a.org2"]},
        "Orderers": {"mspid": "OrdererMSP"},
    },
    "channels": {
        "trade": {"orderers": ["o2"], "peers": {"a.org1": {"endorsingPeer": False}, "b.org1": {}, "a.org2": {}}}
    },
    "orderers": {"o1": {"url": "grpc://h1:7050"}, "o2": {"url": "grpcs://h2:7050", "tlsCACerts": {"path": "o.pem"}}},
    "peers": {
        "a.org1": {"url": "grpc://h3:7051"},
        "b.org1": {"url": "grpc://h4:7051"},
        "a.org2": {
            "url": "grpcs://h5:7051",
            "tlsCACerts": {"pem": ["PEM 1", "PEM 2"]},
            "grpcOptions": {"ssl-target-name-override": "peer.org2"},
        },
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "o.pem").write_text("PEM O")
    return written(tmp_path, PROFILE)


def written(directory: Path, content: object) -> Path:
    path = directory / "connection.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_one_endorsing_peer_of_each_organisation(path: Path) -> None:
    profile = read_profile(path, None, None, "grpc://h3:7051")
    assert (profile.channel, profile.msp_id) == ("trade", "Org1MSP")
    assert profile.peer == Server("h3:7051", "", "h3")
    assert profile.endorsers == (Server("h4:7051", "", "h4"), Server("h5:7051", "PEM 1\nPEM 2", "peer.org2"))
    assert profile.orderers == (Server("h2:7050", "PEM O", "h2"),)


def test_the_organisation_can_be_chosen(path: Path) -> None:
    assert read_profile(path, "Org2", None, "grpcs://h5:7051").msp_id == "Org2MSP"


@pytest.mark.parametrize(
    ("change", "organization", "url", "said"),
    [
        ({}, "Org9", "grpc://h3:7051", "no organization 'Org9'"),
        ({}, None, "grpc://h9:7051", "no peer of the profile"),
        ({"channels": {}}, None, "grpc://h3:7051", "0 channels"),
        ({"peers": {"a.org1": {"url": "http://h3:7051"}}}, None, "grpc://h3:7051", "no url like grpcs"),
        ({"peers": {"a.org1": {"url": "grpcs://h3:7051"}}}, None, "grpcs://h3:7051", "has no tlsCACerts"),
        ({"organizations": {"Org1": {"mspid": "Org1MSP"}}}, None, "grpc://h3:7051", "no endorsing peer"),
    ],
)  # fmt: skip
def test_mistakes_are_named(path: Path, change: dict[str, Any], organization: str, url: str, said: str) -> None:
    changed = written(path.parent, {**PROFILE, **change})
    with pytest.raises(ConfigurationError, match=said):
        read_profile(changed, organization, None, url)


@pytest.mark.parametrize("content", ["[", "- a list\n"])
def test_what_is_no_profile(tmp_path: Path, content: str) -> None:
    path = tmp_path / "connection.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="profile"):
        read_profile(path, None, None, "grpc://h:1")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_profile(tmp_path / "none.yaml", None, None, "grpc://h:1")


def test_options_are_checked_all_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"profile.*cert.*submit_path.*sterams") as error:
        read_options({"submit_path": "fast", "sterams": 3})
    assert "docs/adapters/fabric.md" in str(error.value)
    assert read_options({"profile": "p", "cert": "c"}).submit_path == "pipeline"
