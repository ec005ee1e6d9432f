"""Notary workload. Under the harness: `bench run --workload notary`; by itself: `locust -f` this file.

A document is known by its 32-byte hash. The n-th one of a user is sha256 over the user's own random secret and n: no
two are equal (a second anchor would be refused), the seed gives them again, and none has to be remembered.
"""

import hashlib

from bench.api import Kind, LedgerUser, Operation, task

UNKNOWN_SHARE = 0.05
"""Of the documents somebody asks about, so many were never anchored by anybody."""


class NotaryUser(LedgerUser):
    """Asks only about documents of its own earlier operations. One that is still on its way is answered with 0."""

    def prepare_drawing(self) -> None:
        """The secret all documents of this user come from."""
        self._secret = self.rng.randbytes(16)
        self._anchored = 0

    def _document(self, number: int, series: bytes = b"anchored") -> bytes:
        return hashlib.sha256(self._secret + series + number.to_bytes(8, "big")).digest()

    @task(70)
    def anchor(self) -> Operation:
        """Bring the next document."""
        self._anchored += 1
        return Operation("anchor", {"document": self._document(self._anchored - 1)})

    @task(30)
    def verify(self) -> Operation:
        """Ask about an earlier document, now and then about one that nobody brought."""
        number, unknown = int(self.rng.random() * self._anchored), self.rng.random() < UNKNOWN_SHARE
        known = self._anchored and not unknown
        document = self._document(number) if known else self._document(number, b"unknown")
        return Operation("verify", {"document": document}, kind=Kind.READ)
