package ledger

import (
	"context"
	"encoding/binary"

	abci "github.com/cometbft/cometbft/abci/types"
)

// Query reads the state as it is now. Path and data in, value out; numbers are big-endian and have 8 bytes:
//
//	/balance               address                      amount (0 for an account nobody paid)
//	/balances              addresses                    their sum
//	/executed              salt                         how many transactions with it were executed
//	/verify                document                     height of its first anchor, 0 if there is none
//	/missing               documents                    how many of them are not anchored
//	/get                   key                          value
//	/smallbank/balance     customer                     checking plus savings
//	/smallbank/total       first, count                 the same over many
//	/smallbank/penalties                                how many cheques overdrew their customer
//	/smallbank/customers                                how many there are
//
// The answer's code is 0, 1 (no such path, or data of a wrong size) or that of the business refusal.
func (a *Application) Query(_ context.Context, request *abci.RequestQuery) (*abci.ResponseQuery, error) {
	a.lock.RLock()
	defer a.lock.RUnlock()
	answer, code := a.state.query(request.Path, request.Data)
	return &abci.ResponseQuery{
		Code: uint32(code), Log: code.String(), Codespace: space(code), Value: answer, Height: a.state.height,
	}, nil
}

var dataUnits = map[string]int{ // data is one or more of so many bytes
	"/balance": addressBytes, "/balances": addressBytes, "/executed": 8, "/verify": documentBytes,
	"/missing": documentBytes, "/smallbank/balance": 8, "/smallbank/total": 16,
}

func (s *State) query(path string, data []byte) ([]byte, Code) {
	if unit, sized := dataUnits[path]; sized && (len(data) == 0 || len(data)%unit != 0) {
		return nil, Malformed
	}
	switch path {
	case "/balance", "/balances":
		var sum uint64
		for at := 0; at < len(data); at += addressBytes {
			sum += s.balances[Address(data[at:at+addressBytes])]
		}
		return packed(sum), OK
	case "/executed":
		return packed(s.bySalt[binary.BigEndian.Uint64(data)]), OK
	case "/verify":
		return packed(uint64(s.anchors[document(data[:documentBytes])])), OK
	case "/missing":
		var missing uint64
		for at := 0; at < len(data); at += documentBytes {
			if _, anchored := s.anchors[document(data[at:at+documentBytes])]; !anchored {
				missing++
			}
		}
		return packed(missing), OK
	case "/get":
		return s.values[string(data)], OK
	}
	return s.queryBank(path, data)
}

func (s *State) queryBank(path string, data []byte) ([]byte, Code) {
	switch path {
	case "/smallbank/customers":
		return packed(uint64(len(s.customers))), OK
	case "/smallbank/penalties":
		return packed(uint64(s.penalties)), OK
	case "/smallbank/balance":
		return s.total(binary.BigEndian.Uint64(data), 1)
	case "/smallbank/total":
		return s.total(binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:]))
	}
	return nil, Malformed
}

func (s *State) total(first, count uint64) ([]byte, Code) {
	have := uint64(len(s.customers))
	if first > have || count > have-first {
		return nil, UnknownCustomer
	}
	var sum int64
	for _, each := range s.customers[first : first+count] {
		sum += each.checking + each.savings
	}
	return packed(uint64(sum)), OK
}

func packed(number uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, number)
}
