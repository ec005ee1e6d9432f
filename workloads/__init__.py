"""Workloads: one folder each, with the Locust user class, the contract per ledger family, and the audit."""
