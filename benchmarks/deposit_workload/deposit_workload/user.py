"""The one task of `deposit`."""

from bench.api import LedgerUser, Operation, task

AMOUNT = 130


class DepositUser(LedgerUser):
    """Customers in turn, so that consecutive transactions never touch the same slot."""

    def prepare_drawing(self) -> None:
        """Begin with the first customer."""
        self.customer = -1

    @task(1)
    def deposit_checking(self) -> Operation:
        """Pay in."""
        self.customer = (self.customer + 1) % int(self.parameters["customers"])
        return Operation("deposit_checking", {"customer": self.customer, "amount": AMOUNT})
