"""Adapter of Hyperledger Fabric: proposals are made here, gRPC is a program of its own (client/)."""
