"""Transfer workload. Under the harness: `bench run --workload transfer`; by itself: `locust -f` this file."""

from bench.api import LedgerUser, Operation, task


class TransferUser(LedgerUser):
    """Each operation pays `amount` to a uniformly drawn account, never to the sender's own turn in the plan."""

    @task
    def transfer(self) -> Operation:
        """Pay somebody."""
        return Operation("transfer", {"to": self.any_account(), "amount": int(self.parameters["amount"])})
