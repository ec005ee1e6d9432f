"""The capacity search against ledgers whose highest sustainable load is known, in virtual time."""
