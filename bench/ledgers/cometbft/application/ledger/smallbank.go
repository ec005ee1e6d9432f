package ledger

// SmallBank with the rules of the contract (workloads/smallbank/evm/SmallBank.sol): customers are numbered 0, 1, 2 …,
// anybody may call, a payment beyond the balance is refused, a cheque beyond it is paid and costs a penalty of one.

const maxOpened = 100_000

// bank executes one banking operation: all checks first, then the changes.
func (s *State) bank(t Transaction) Code {
	if t.Operation == OpenCustomers {
		return s.openCustomers(t.number(0), t.number(8), int64(t.number(16)), int64(t.number(24)))
	}
	one := t.number(0)
	if one >= uint64(len(s.customers)) {
		return UnknownCustomer
	}
	switch t.Operation {
	case DepositChecking:
		return s.adjust(one, int64(t.number(8)), 0)
	case TransactSavings:
		return s.transactSavings(one, int64(t.number(8)))
	case WriteCheck:
		return s.writeCheck(one, int64(t.number(8)))
	}
	other := t.number(8)
	if other >= uint64(len(s.customers)) {
		return UnknownCustomer
	}
	if t.Operation == Amalgamate {
		return s.amalgamate(one, other)
	}
	return s.sendPayment(one, other, int64(t.number(16)))
}

// openCustomers opens those of first … first+count-1 that are missing; the balances of others are left alone.
func (s *State) openCustomers(first, count uint64, checking, savings int64) Code {
	if first > uint64(len(s.customers)) {
		return OutOfOrder
	}
	for uint64(len(s.customers)) < first+count {
		s.customers = append(s.customers, customer{})
		s.setCustomer(uint64(len(s.customers)-1), customer{checking, savings})
	}
	return OK
}

// adjust adds to both accounts of a customer, unless a number would not fit.
func (s *State) adjust(of uint64, checking, savings int64) Code {
	now := s.customers[of]
	newChecking, fits := add(now.checking, checking)
	newSavings, fitsToo := add(now.savings, savings)
	if !fits || !fitsToo {
		return Overflow
	}
	s.setCustomer(of, customer{newChecking, newSavings})
	return OK
}

func (s *State) transactSavings(of uint64, amount int64) Code {
	left, fits := add(s.customers[of].savings, amount)
	if !fits {
		return Overflow
	}
	if left < 0 {
		return InsufficientFunds
	}
	return s.adjust(of, 0, amount)
}

func (s *State) writeCheck(of uint64, amount int64) Code {
	held, fits := add(s.customers[of].checking, s.customers[of].savings)
	if !fits {
		return Overflow
	}
	penalty := int64(0)
	if held < amount {
		penalty = 1
	}
	if code := s.adjust(of, -amount-penalty, 0); code != OK {
		return code
	}
	s.penalties += penalty
	s.note(uint64(s.penalties))
	return OK
}

// amalgamate moves all money of one customer into the checking account of the other, who may be the same.
func (s *State) amalgamate(from, to uint64) Code {
	total, fits := add(s.customers[from].checking, s.customers[from].savings)
	if !fits {
		return Overflow
	}
	if from == to {
		s.setCustomer(to, customer{checking: total})
		return OK
	}
	if code := s.adjust(to, total, 0); code != OK {
		return code
	}
	s.setCustomer(from, customer{})
	return OK
}

func (s *State) sendPayment(from, to uint64, amount int64) Code {
	if s.customers[from].checking < amount {
		return InsufficientFunds
	}
	if from == to {
		return OK
	}
	if code := s.adjust(to, amount, 0); code != OK {
		return code
	}
	return s.adjust(from, -amount, 0)
}

func (s *State) setCustomer(of uint64, now customer) {
	s.customers[of] = now
	s.note(of)
	s.note(uint64(now.checking))
	s.note(uint64(now.savings))
}
