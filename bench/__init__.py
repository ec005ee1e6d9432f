"""A blockchain performance benchmarking harness: real load on candidate ledgers, honest numbers, a decision to sign."""

__version__ = "0.1.0"
