package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cometbft/cometbft/crypto/ed25519"
)

// Version of the encoding; the first byte of every transaction.
const Version = 1

const (
	keyBytes       = 32
	addressBytes   = 20
	documentBytes  = 32
	signatureBytes = 64
	headBytes      = 2 + keyBytes + 8 + 8
	maxAmount      = 1 << 62
)

// Operation is the second byte of a transaction. Numbers are part of the format: never renumber.
type Operation byte

// The operations and their arguments; numbers are big-endian and have 8 bytes.
const (
	Transfer        Operation = 1  // to (20 bytes), amount
	Fund            Operation = 2  // any number of: to (20 bytes), amount; all or nothing
	Anchor          Operation = 3  // document (32 bytes)
	Set             Operation = 4  // length of key (2 bytes), key, value
	OpenCustomers   Operation = 5  // first, count, checking, savings
	Amalgamate      Operation = 6  // from, to
	DepositChecking Operation = 7  // customer, amount
	SendPayment     Operation = 8  // from, to, amount
	TransactSavings Operation = 9  // customer, amount (signed)
	WriteCheck      Operation = 10 // customer, amount
)

var argumentBytes = map[Operation]int{
	Transfer: addressBytes + 8, Anchor: documentBytes, OpenCustomers: 32, Amalgamate: 16,
	DepositChecking: 16, SendPayment: 24, TransactSavings: 16, WriteCheck: 16,
}

// Address names an account: the first 20 bytes of the SHA-256 of its public key, as CometBFT makes addresses.
type Address [addressBytes]byte

// ID names a transaction: the SHA-256 of its bytes, as CometBFT does.
type ID [sha256.Size]byte

// Transaction is one decoded transaction; its slices point into the bytes it was decoded from.
//
//	version (1) operation (1) public key (32) salt (8) count (8) arguments signature (64)
//
// Salt and count only make equal operations different transactions. The signature is ed25519 over the domain
// "ledger-bench transaction 1:<chain id>\n" and everything before the signature, so it is worth nothing on another chain.
type Transaction struct {
	ID        ID
	Operation Operation
	Key       []byte
	Salt      uint64
	Arguments []byte
	signed    []byte
	signature []byte
}

// Decode returns false for bytes that are no transaction, whoever signed them.
func Decode(raw []byte) (Transaction, bool) {
	if len(raw) < headBytes+signatureBytes || raw[0] != Version {
		return Transaction{}, false
	}
	end := len(raw) - signatureBytes
	found := Transaction{
		ID:        sha256.Sum256(raw),
		Operation: Operation(raw[1]),
		Key:       raw[2 : 2+keyBytes],
		Salt:      binary.BigEndian.Uint64(raw[2+keyBytes:]),
		Arguments: raw[headBytes:end],
		signed:    raw[:end],
		signature: raw[end:],
	}
	return found, found.wellFormed()
}

// Sender is the address of the account that signed.
func (t Transaction) Sender() Address {
	digest := sha256.Sum256(t.Key)
	return Address(digest[:addressBytes])
}

// Verify checks the signature. `domain` comes from Domain.
func (t Transaction) Verify(domain []byte) bool {
	message := make([]byte, 0, len(domain)+len(t.signed))
	message = append(append(message, domain...), t.signed...)
	return ed25519.PubKey(t.Key).VerifySignature(message, t.signature)
}

// Domain is what signatures of a chain are made over, besides the transaction.
func Domain(chainID string) []byte {
	return []byte("ledger-bench transaction 1:" + chainID + "\n")
}

func (t Transaction) number(at int) uint64 {
	return binary.BigEndian.Uint64(t.Arguments[at:])
}

func (t Transaction) wellFormed() bool {
	size, args := len(t.Arguments), t.Arguments
	switch t.Operation {
	case Fund:
		if size == 0 || size%(addressBytes+8) != 0 {
			return false
		}
		for at := addressBytes; at < size; at += addressBytes + 8 {
			if t.number(at) > maxAmount {
				return false
			}
		}
		return true
	case Set:
		return size > 2 && int(binary.BigEndian.Uint16(args)) > 0 && 2+int(binary.BigEndian.Uint16(args)) <= size
	}
	if expected, known := argumentBytes[t.Operation]; !known || expected != size {
		return false
	}
	switch t.Operation {
	case Transfer:
		return t.number(addressBytes) <= maxAmount
	case DepositChecking, WriteCheck:
		return t.number(8) <= maxAmount
	case SendPayment:
		return t.number(16) <= maxAmount
	case OpenCustomers:
		return t.number(8) <= maxOpened && t.number(16) <= maxAmount && t.number(24) <= maxAmount
	}
	return true
}
