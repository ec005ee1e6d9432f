package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
)

// Code is how a transaction ended. 0 to 9 are about the transaction, 10 and up are business refusals: the transaction is
// in a block, changed nothing, and is reported with this code. Numbers are read by clients: never renumber.
type Code uint32

// The codes, and the words a client sees.
const (
	OK                Code = 0
	Malformed         Code = 1
	BadSignature      Code = 2
	Duplicate         Code = 3
	InsufficientFunds Code = 10
	AlreadyAnchored   Code = 11
	UnknownCustomer   Code = 12
	Overflow          Code = 13
	OutOfOrder        Code = 14
)

func (c Code) String() string {
	return map[Code]string{
		OK: "", Malformed: "malformed", BadSignature: "bad_signature", Duplicate: "duplicate",
		InsufficientFunds: "insufficient_funds", AlreadyAnchored: "already_anchored",
		UnknownCustomer: "unknown_customer", Overflow: "overflow", OutOfOrder: "out_of_order",
	}[c]
}

type document [documentBytes]byte

type customer struct{ checking, savings int64 }

// State is everything the blocks so far have made; it lives in memory and is made again from the blocks at a restart.
// Not safe for concurrent use.
type State struct {
	balances  map[Address]uint64
	anchors   map[document]int64 // the height of the first anchor
	values    map[string][]byte
	customers []customer
	penalties int64
	executed  map[ID]struct{}   // also those that ended with a business refusal
	bySalt    map[uint64]uint64 // how many were executed
	height    int64
	appHash   []byte
	digest    hash.Hash // of the block under way
}

// NewState is the state before the first block.
func NewState() *State {
	return &State{
		balances: map[Address]uint64{}, anchors: map[document]int64{}, values: map[string][]byte{},
		executed: map[ID]struct{}{}, bySalt: map[uint64]uint64{}, appHash: make([]byte, sha256.Size),
	}
}

// Grant creates money; only genesis does.
func (s *State) Grant(to Address, amount uint64) {
	s.balances[to] += amount
	first := sha256.Sum256(append(to[:], binary.BigEndian.AppendUint64(nil, amount)...))
	s.appHash = first[:]
}

// Begin starts a block. Every change until End is part of the block's hash.
func (s *State) Begin(height int64) {
	s.height = height
	s.digest = sha256.New()
	s.digest.Write(s.appHash)
	s.note(uint64(height))
}

// End returns the hash of the application's state: a chain over all changes so far. A block without transactions
// leaves it alone, so that a chain may stop making empty blocks.
func (s *State) End(transactions int) []byte {
	if transactions > 0 {
		s.appHash = s.digest.Sum(nil)
	}
	return s.appHash
}

// Seen tells whether a transaction has been executed.
func (s *State) Seen(id ID) bool {
	_, seen := s.executed[id]
	return seen
}

// Execute runs a verified transaction that was not seen before. What is refused changes nothing but the record of
// what was executed.
func (s *State) Execute(t Transaction) Code {
	code := s.execute(t)
	s.executed[t.ID] = struct{}{}
	s.bySalt[t.Salt]++
	s.digest.Write(t.ID[:])
	s.note(uint64(code))
	return code
}

func (s *State) execute(t Transaction) Code {
	switch t.Operation {
	case Transfer, Fund:
		return s.pay(t)
	case Anchor:
		return s.anchor(t)
	case Set:
		size := 2 + int(binary.BigEndian.Uint16(t.Arguments))
		s.values[string(t.Arguments[2:size])] = append([]byte(nil), t.Arguments[size:]...)
		s.digest.Write(t.Arguments)
		return OK
	default:
		return s.bank(t)
	}
}

// pay moves money from the sender to one or many.
func (s *State) pay(t Transaction) Code {
	const each = addressBytes + 8
	var total uint64
	for at := addressBytes; at < len(t.Arguments); at += each {
		total += t.number(at)
		if total > maxAmount {
			return Overflow
		}
	}
	sender := t.Sender()
	if s.balances[sender] < total {
		return InsufficientFunds
	}
	s.setBalance(sender, s.balances[sender]-total)
	for at := 0; at < len(t.Arguments); at += each {
		to := Address(t.Arguments[at : at+addressBytes])
		s.setBalance(to, s.balances[to]+t.number(at+addressBytes)) // no overflow: the sum of all money is below 2^63
	}
	return OK
}

func (s *State) setBalance(of Address, amount uint64) {
	s.balances[of] = amount
	s.digest.Write(of[:])
	s.note(amount)
}

func (s *State) anchor(t Transaction) Code {
	found := document(t.Arguments)
	if _, anchored := s.anchors[found]; anchored {
		return AlreadyAnchored
	}
	s.anchors[found] = s.height
	s.digest.Write(found[:])
	return OK
}

func (s *State) note(number uint64) {
	var bytes [8]byte
	binary.BigEndian.PutUint64(bytes[:], number)
	s.digest.Write(bytes[:])
}

// add is the sum, and whether it fits.
func add(one, other int64) (int64, bool) {
	if (other > 0 && one > math.MaxInt64-other) || (other < 0 && one < math.MinInt64-other) {
		return 0, false
	}
	return one + other, true
}
