"""Keccak-256 under the name this family imports it by; `bench.model.keccak` is the code."""

from bench.model.keccak import Hash, fast_keccak256, keccak256

__all__ = ["Hash", "fast_keccak256", "keccak256"]
