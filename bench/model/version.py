"""The product's version, written into bundles; the same as in pyproject.toml."""

__version__ = "0.1.0"
