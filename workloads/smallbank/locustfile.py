"""SmallBank workload. Under the harness: `bench run --workload smallbank`; by itself: `locust -f` this file.

Amounts are H-Store's constants in cents' stead, so that an audit can compute the money in the bank from counts alone.
"""

from bench.api import Kind, LedgerUser, Operation, task

DEPOSIT, PAYMENT, SAVING, CHECK = 130, 500, 2000, 500


class SmallBankUser(LedgerUser):
    """Customers are drawn uniformly; two-party operations never draw the same customer twice."""

    def _customer(self) -> int:
        return int(self.rng.random() * int(self.parameters["customers"]))

    def _pair(self) -> tuple[int, int]:
        customers = int(self.parameters["customers"])
        first = int(self.rng.random() * customers)
        second = int(self.rng.random() * (customers - 1))
        return first, second + (second >= first)

    @task(15)
    def amalgamate(self) -> Operation:
        """Move everything one customer has to another."""
        giver, taker = self._pair()
        return Operation("amalgamate", {"from": giver, "to": taker})

    @task(15)
    def balance(self) -> Operation:
        """Read one customer's total."""
        return Operation("balance", {"customer": self._customer()}, kind=Kind.READ)

    @task(15)
    def deposit_checking(self) -> Operation:
        """Pay in."""
        return Operation("deposit_checking", {"customer": self._customer(), "amount": DEPOSIT})

    @task(25)
    def send_payment(self) -> Operation:
        """Pay another customer; refused when the money is not there."""
        payer, payee = self._pair()
        return Operation("send_payment", {"from": payer, "to": payee, "amount": PAYMENT}, expects_refusal=True)

    @task(15)
    def transact_savings(self) -> Operation:
        """Add to savings."""
        return Operation("transact_savings", {"customer": self._customer(), "amount": SAVING})

    @task(15)
    def write_check(self) -> Operation:
        """Cash a cheque; below zero the bank takes a penalty of 1 and counts it."""
        return Operation("write_check", {"customer": self._customer(), "amount": CHECK})
