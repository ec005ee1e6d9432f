"""The UTXO family: chains that speak Bitcoin's JSON-RPC. `adapter.UtxoAdapter` is the way in; docs/adapters/utxo.md the
user's page.
"""
