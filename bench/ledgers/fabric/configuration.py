"""The files a Fabric network is configured by, written below the run's directory. Nothing is started here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from bench.ledgers.fabric.layout import CHANNEL, ORDERER_DOMAIN, ORDERER_MSP, Layout, Member
from bench.ledgers.fabric.options import FabricOptions

PROFILE = "Bench"
_META = {name: {"Type": "ImplicitMeta", "Rule": rule} for name, rule in (
    ("Readers", "ANY Readers"), ("Writers", "ANY Writers"), ("Admins", "MAJORITY Admins"),
)}  # fmt: skip
_MAX_MESSAGE = 100 * 1024 * 1024
_BUILDER = {  # chaincode as a service: nothing is built, the peer is told where the chaincode listens
    "detect": '#!/bin/sh\ngrep -q \'"type": *"ccaas"\' "$2/metadata.json"\n',
    "build": '#!/bin/sh\ncp "$1/connection.json" "$3/connection.json"\n',
    "release": '#!/bin/sh\nmkdir -p "$2/chaincode/server" && cp "$1/connection.json" "$2/chaincode/server/"\n',
}


def write_all(layout: Layout, options: FabricOptions) -> None:
    """Everything but keys, which cryptogen makes, and the channel's first block."""
    _write_yaml(layout.root / "crypto-config.yaml", _crypto(layout))
    _write_yaml(layout.root / "configtx.yaml", _channel(layout, options))
    for orderer in layout.orderers:
        _write_yaml(orderer.directory / "orderer.yaml", _orderer(orderer))
    for peer in layout.peers:
        _write_yaml(peer.directory / "core.yaml", _peer(layout, peer, options))
    for name, script in _BUILDER.items():
        path = layout.root / "builder" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)


def write_profile(layout: Layout) -> None:
    """A connection profile as Fabric's SDKs read it; paths are absolute, so that it serves from anywhere."""
    profile = {
        "name": "ledger-bench",
        "version": "1.0.0",
        "client": {"organization": "Org1"},
        "channels": {
            CHANNEL: {
                "orderers": [orderer.full_name for orderer in layout.orderers],
                "peers": {peer.full_name: {"endorsingPeer": True} for peer in layout.peers},
            }
        },
        "organizations": {
            f"Org{number}": {"mspid": peer.msp_id, "peers": [peer.full_name]}
            for number, peer in enumerate(layout.peers, start=1)
        },
        "orderers": {orderer.full_name: _server(orderer) for orderer in layout.orderers},
        "peers": {peer.full_name: _server(peer) for peer in layout.peers},
    }
    layout.profile.write_text(json.dumps(profile, indent=2))


def _server(member: Member) -> dict[str, Any]:
    return {
        "url": f"grpcs://{member.address}",
        "tlsCACerts": {"path": str(member.tls_ca)},
        "grpcOptions": {"ssl-target-name-override": member.full_name},
    }


def _crypto(layout: Layout) -> dict[str, Any]:
    orderers = [{"Hostname": orderer.name, "SANS": [orderer.host]} for orderer in layout.orderers]
    return {
        "OrdererOrgs": [{"Name": "Orderer", "Domain": ORDERER_DOMAIN, "EnableNodeOUs": True, "Specs": orderers}],
        "PeerOrgs": [
            {
                "Name": peer.msp_id.removesuffix("MSP"),
                "Domain": peer.domain,
                "EnableNodeOUs": True,
                "Specs": [{"Hostname": "peer0", "SANS": [peer.host]}],
                "Users": {"Count": 1},
            }
            for peer in layout.peers
        ],
    }


def _channel(layout: Layout, options: FabricOptions) -> dict[str, Any]:
    orderer_section = {
        "OrdererType": "etcdraft",
        "EtcdRaft": {
            "Consenters": [_consenter(orderer) for orderer in layout.orderers],
            "Options": {
                "TickInterval": "200ms",
                "ElectionTick": 10,
                "HeartbeatTick": 1,
                "MaxInflightBlocks": 50,
                "SnapshotIntervalSize": "64 MB",
            },
        },
        "BatchTimeout": f"{round(options.batch_timeout_s * 1000)}ms",
        "BatchSize": {
            "MaxMessageCount": options.max_messages,
            "AbsoluteMaxBytes": "98 MB",
            "PreferredMaxBytes": f"{options.preferred_kib} KB",
        },
        "Organizations": [_orderer_organisation(layout)],
        "Policies": {**_META, "BlockValidation": {"Type": "ImplicitMeta", "Rule": "ANY Writers"}},
        "Capabilities": {"V2_0": True},
    }
    application = {
        "Organizations": [_organisation(peer) for peer in layout.peers],
        "Policies": {
            **_META,
            "LifecycleEndorsement": {"Type": "ImplicitMeta", "Rule": "MAJORITY Endorsement"},
            "Endorsement": {"Type": "ImplicitMeta", "Rule": "MAJORITY Endorsement"},
        },
        "Capabilities": {"V2_5": True},
    }
    channel = {"Policies": _META, "Capabilities": {"V2_0": True}}
    return {"Profiles": {PROFILE: {**channel, "Orderer": orderer_section, "Application": application}}}


def _consenter(orderer: Member) -> dict[str, Any]:
    certificate = str(orderer.home / "tls" / "server.crt")
    return {"Host": orderer.host, "Port": orderer.port, "ClientTLSCert": certificate, "ServerTLSCert": certificate}


def _orderer_organisation(layout: Layout) -> dict[str, Any]:
    return {
        "Name": "Orderers",
        "ID": ORDERER_MSP,
        "MSPDir": str(layout.orderers[0].organisation / "msp"),
        "Policies": _signed({"Readers": ("member",), "Writers": ("member",), "Admins": ("admin",)}, ORDERER_MSP),
        "OrdererEndpoints": [orderer.address for orderer in layout.orderers],
    }


def _organisation(peer: Member) -> dict[str, Any]:
    roles = {
        "Readers": ("admin", "peer", "client"),
        "Writers": ("admin", "client"),
        "Admins": ("admin",),
        "Endorsement": ("peer",),
    }
    return {
        "Name": peer.msp_id,
        "ID": peer.msp_id,
        "MSPDir": str(peer.organisation / "msp"),
        "Policies": _signed(roles, peer.msp_id),
        "AnchorPeers": [{"Host": peer.host, "Port": peer.port}],
    }


def _signed(roles: dict[str, tuple[str, ...]], msp_id: str) -> dict[str, Any]:
    return {
        name: {"Type": "Signature", "Rule": "OR(" + ", ".join(f"'{msp_id}.{role}'" for role in who) + ")"}
        for name, who in roles.items()
    }


def _orderer(orderer: Member) -> dict[str, Any]:
    tls = {
        "Enabled": True,
        "PrivateKey": str(orderer.home / "tls" / "server.key"),
        "Certificate": str(orderer.home / "tls" / "server.crt"),
        "RootCAs": [str(orderer.tls_ca)],
    }
    return {
        "General": {
            "ListenAddress": orderer.host,
            "ListenPort": orderer.port,
            "TLS": tls,
            "Cluster": {
                "SendBufferSize": 100,
                "ClientCertificate": tls["Certificate"],
                "ClientPrivateKey": tls["PrivateKey"],
                "RootCAs": tls["RootCAs"],
            },
            "BootstrapMethod": "none",
            "LocalMSPDir": str(orderer.home / "msp"),
            "LocalMSPID": orderer.msp_id,
            "Keepalive": {"ServerMinInterval": "30s", "ServerInterval": "7200s", "ServerTimeout": "20s"},
            "MaxRecvMsgSize": _MAX_MESSAGE,
            "MaxSendMsgSize": _MAX_MESSAGE,
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "Authentication": {"TimeWindow": "15m"},
        },
        "FileLedger": {"Location": str(orderer.directory / "data")},
        "Operations": {"ListenAddress": f"{orderer.host}:{orderer.operations_port}", "TLS": {"Enabled": False}},
        "Metrics": {"Provider": "prometheus"},
        "Admin": {"ListenAddress": f"{orderer.host}:{orderer.admin_port}", "TLS": {"Enabled": False}},
        "ChannelParticipation": {"Enabled": True, "MaxRequestBodySize": "1 MB"},
        "Consensus": {"WALDir": str(orderer.directory / "wal"), "SnapDir": str(orderer.directory / "snapshots")},
    }


def _peer(layout: Layout, peer: Member, options: FabricOptions) -> dict[str, Any]:
    return {
        "peer": _peer_itself(peer, options),
        "vm": {"endpoint": ""},
        "chaincode": {
            "mode": "net",
            "externalBuilders": [{"name": "ccaas", "path": str(layout.root / "builder")}],
            "installTimeout": "60s",
            "startuptimeout": "60s",
            "executetimeout": "30s",
            "system": dict.fromkeys(("_lifecycle", "cscc", "lscc", "qscc"), "enable"),
            "logging": {"level": "warning", "shim": "warning"},
        },
        "ledger": {
            "state": {"stateDatabase": "goleveldb", "totalQueryLimit": 1_000_000},
            "history": {"enableHistoryDatabase": False},
            "snapshots": {"rootDir": str(peer.directory / "snapshots")},
        },
        "operations": {"listenAddress": f"{peer.host}:{peer.operations_port}", "tls": {"enabled": False}},
        "metrics": {"provider": "prometheus"},
    }  # fmt: skip


def _peer_itself(peer: Member, options: FabricOptions) -> dict[str, Any]:
    tls = peer.home / "tls"
    limits = dict.fromkeys(("endorserService", "deliverService", "gatewayService"), options.concurrency)
    return {
        "id": peer.full_name,
        "networkId": "bench",
        "listenAddress": peer.address,
        "address": peer.address,
        "chaincodeListenAddress": f"{peer.host}:{peer.chaincode_port}",
        "gateway": {"enabled": True, "endorsementTimeout": "30s", "broadcastTimeout": "30s", "dialTimeout": "1m"},
        "keepalive": {"interval": "7200s", "timeout": "20s", "minInterval": "30s"},
        "gossip": _gossip(peer),
        "tls": {
            "enabled": True,
            "clientAuthRequired": False,
            "cert": {"file": str(tls / "server.crt")},
            "key": {"file": str(tls / "server.key")},
            "rootcert": {"file": str(peer.tls_ca)},
        },
        "authentication": {"timewindow": "15m"},
        "fileSystemPath": str(peer.directory / "data"),
        "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
        "mspConfigPath": str(peer.home / "msp"),
        "localMspId": peer.msp_id,
        "localMspType": "bccsp",
        "client": {"connTimeout": "10s"},
        "deliveryclient": {"blockGossipEnabled": False, "reconnectTotalTimeThreshold": "3600s"},
        "handlers": {
            "authFilters": [{"name": "DefaultAuth"}, {"name": "ExpirationCheck"}],
            "decorators": [{"name": "DefaultDecorator"}],
            "endorsers": {"escc": {"name": "DefaultEndorsement"}},
            "validators": {"vscc": {"name": "DefaultValidation"}},
        },
        "discovery": {"enabled": True, "authCacheEnabled": True, "authCacheMaxSize": 1000,
                      "authCachePurgeRetentionRatio": 0.75},
        "limits": {"concurrency": limits},
        "maxRecvMsgSize": _MAX_MESSAGE,
        "maxSendMsgSize": _MAX_MESSAGE,
    }  # fmt: skip


def _gossip(peer: Member) -> dict[str, Any]:
    return {
        "bootstrap": peer.address,
        "useLeaderElection": False,
        "orgLeader": True,
        "endpoint": peer.address,
        "externalEndpoint": peer.address,
        "aliveTimeInterval": "1s",
        "reconnectInterval": "2s",
        "membershipTrackerInterval": "1s",
        "publishStateInfoInterval": "1s",
        "requestStateInfoInterval": "1s",
        "state": {"enabled": False},
    }


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
