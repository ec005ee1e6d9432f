// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// SmallBank as H-Store defines it: every customer has a checking and a savings account; five writes, one read.
/// Customers are numbered 0, 1, 2 … Anybody may call: the benchmark measures a ledger, not access control.
contract SmallBank {
    error InsufficientFunds();
    error UnknownCustomer(uint256 customer);
    error OutOfOrder(uint256 expected);

    /// Customers with a smaller number exist.
    uint256 public customers;

    /// Cheques that overdrew their customer and cost one unit more.
    uint256 public penalties;

    mapping(uint256 => int256) private checking;
    mapping(uint256 => int256) private savings;

    modifier known(uint256 customer) {
        if (customer >= customers) revert UnknownCustomer(customer);
        _;
    }

    /// Open `count` customers, numbered from `firstId`, which must be the next free number.
    function open(uint256 firstId, uint256 count, uint256 checkingBalance, uint256 savingsBalance) external {
        if (firstId != customers) revert OutOfOrder(customers);
        uint256 end = firstId + count;
        for (uint256 id = firstId; id < end; ++id) {
            checking[id] = int256(checkingBalance);
            savings[id] = int256(savingsBalance);
        }
        customers = end;
    }

    /// Move all funds of `from` into the checking account of `to`.
    function amalgamate(uint256 from, uint256 to) external known(from) known(to) {
        int256 total = checking[from] + savings[from];
        checking[from] = 0;
        savings[from] = 0;
        checking[to] += total;
    }

    function depositChecking(uint256 customer, uint256 amount) external known(customer) {
        checking[customer] += int256(amount);
    }

    /// Between checking accounts; refused when `from` does not hold `amount`.
    function sendPayment(uint256 from, uint256 to, uint256 amount) external known(from) known(to) {
        int256 left = checking[from] - int256(amount);
        if (left < 0) revert InsufficientFunds();
        checking[from] = left;
        checking[to] += int256(amount);
    }

    /// Add `amount` (which may be negative) to savings; refused when they would become negative.
    function transactSavings(uint256 customer, int256 amount) external known(customer) {
        int256 left = savings[customer] + amount;
        if (left < 0) revert InsufficientFunds();
        savings[customer] = left;
    }

    /// Cash a cheque against the sum of both accounts. One that is not covered is paid, and costs a penalty of one.
    function writeCheck(uint256 customer, uint256 amount) external known(customer) {
        int256 due = int256(amount);
        if (checking[customer] + savings[customer] < due) {
            due += 1;
            ++penalties;
        }
        checking[customer] -= due;
    }

    function balance(uint256 customer) external view known(customer) returns (int256) {
        return checking[customer] + savings[customer];
    }

    function checkingOf(uint256 customer) external view known(customer) returns (int256) {
        return checking[customer];
    }

    function savingsOf(uint256 customer) external view known(customer) returns (int256) {
        return savings[customer];
    }

    /// Sum over both accounts of customers `first` … `first + count - 1`, for audits.
    function totalOf(uint256 first, uint256 count) external view returns (int256 total) {
        uint256 end = first + count;
        for (uint256 id = first; id < end; ++id) total += checking[id] + savings[id];
    }
}
