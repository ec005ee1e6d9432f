"""Hyperledger Fabric: two organisations, Raft orderers, chaincode as a service."""
