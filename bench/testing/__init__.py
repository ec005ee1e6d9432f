"""What plug-in authors test with: subclass `AdapterContract` and give it a ledger. Needs pytest, which we do not install."""

from bench.testing.contract import AdapterContract
from bench.testing.follower import Follower
from bench.testing.stage import Stage

__all__ = ["AdapterContract", "Follower", "Stage"]
