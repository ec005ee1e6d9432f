"""A blockchain performance benchmarking harness: real load on candidate ledgers, honest numbers, a decision to sign."""

from bench.model.version import __version__

__all__ = ["__version__"]
