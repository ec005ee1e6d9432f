"""Ethereum's JSON-RPC family. `adapter.EvmAdapter` is the way in; docs/adapters/evm.md the user's page."""
