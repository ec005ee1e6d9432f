"""The files a Fabric network is configured by, without starting one."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from bench.ledgers.fabric import channel, configuration, programs
from bench.ledgers.fabric.layout import Layout, lay_out
from bench.ledgers.fabric.ledger import FabricLedger
from bench.ledgers.fabric.options import FabricOptions
from bench.model.errors import ConfigurationError

SILENT = lambda _: None  # noqa: E731


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = lay_out(tmp_path, 3, ("transfer",))
    configuration.write_all(layout, FabricOptions(batch_timeout_s=0.25, max_messages=77))
    return layout


def test_the_channel_has_what_was_chosen(layout: Layout) -> None:
    profile = yaml.safe_load((layout.root / "configtx.yaml").read_text())["Profiles"]["Bench"]
    assert profile["Orderer"]["BatchTimeout"] == "250ms"
    assert profile["Orderer"]["BatchSize"]["MaxMessageCount"] == 77
    consenters = [(one["Host"], one["Port"]) for one in profile["Orderer"]["EtcdRaft"]["Consenters"]]
    assert consenters == [(orderer.host, orderer.port) for orderer in layout.orderers]
    organisations = profile["Application"]["Organizations"]
    assert [one["ID"] for one in organisations] == ["Org1MSP", "Org2MSP"]
    assert organisations[1]["Policies"]["Endorsement"] == {"Type": "Signature", "Rule": "OR('Org2MSP.peer')"}


def test_no_two_members_share_an_address(layout: Layout) -> None:
    members = [*layout.orderers, *layout.peers]
    assert [member.host for member in members] == [f"127.0.0.{number}" for number in range(2, 7)]
    addresses = [(one.host, port) for one in members for port in (one.port, one.operations_port)]
    addresses += [(one.host, one.port) for one in layout.chaincodes]
    assert len(set(addresses)) == 12
    assert {one.host for one in layout.chaincodes} == {peer.host for peer in layout.peers}


def test_every_node_keeps_its_data_in_its_own_directory(layout: Layout) -> None:
    peer = yaml.safe_load((layout.peers[1].directory / "core.yaml").read_text())
    assert peer["peer"]["fileSystemPath"] == str(layout.root / "peer0-org2" / "data")
    assert peer["peer"]["localMspId"] == "Org2MSP"
    assert peer["vm"]["endpoint"] == ""
    orderer = yaml.safe_load((layout.orderers[2].directory / "orderer.yaml").read_text())
    assert orderer["Consensus"]["WALDir"] == str(layout.root / "orderer2" / "wal")


def test_a_package_says_where_the_chaincode_listens_and_is_named_by_its_digest(layout: Layout) -> None:
    one, other = layout.chaincodes
    package_id = channel.package(layout, one)
    assert package_id == channel.package(layout, one)
    assert package_id != channel.package(layout, other)
    with tarfile.open(layout.package(one)) as outer:
        metadata = outer.extractfile("metadata.json")
        code = outer.extractfile("code.tar.gz")
        assert metadata is not None
        assert code is not None
        assert json.load(metadata) == {"type": "ccaas", "label": "transfer"}
        with tarfile.open(fileobj=io.BytesIO(code.read())) as inner:
            connection = inner.extractfile("connection.json")
            assert connection is not None
            assert json.load(connection)["address"] == one.address


def test_mistakes_in_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean batch_timeout_s"):
        FabricLedger().up(tmp_path, {"batch_timeout": 1}, SILENT)
    with pytest.raises(ConfigurationError, match="chaincodes"):
        FabricLedger().up(tmp_path, {"chaincodes": ["deposit"]}, SILENT)
    with pytest.raises(ConfigurationError, match="lacks peer, orderer, configtxgen, cryptogen"):
        programs.install(SILENT, tmp_path)
