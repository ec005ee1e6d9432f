"""Sending JSON-RPC over HTTP, for every family that speaks it: no words of any ledger in here."""
