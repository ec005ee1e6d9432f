// Chaincode of the workload `smallbank`, with the rules of the contracts beside it (evm/, sql/).
//
// A customer has two keys, checking and savings. A penalty is a key of its own, named by its transaction, so that
// counting penalties makes no two cheques conflict.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/shim"
	"github.com/hyperledger/fabric-protos-go/peer"
)

const (
	checking = "checking/"
	savings  = "savings/"
	penalty  = "penalty/"
)

var (
	errFunds    = errors.New("refused: insufficient_funds")
	errCustomer = errors.New("refused: unknown_customer")
	errNegative = errors.New("refused: negative_amount")
)

type contract struct{}

// bank is the state as one transaction sees it. Fabric reads what was committed, not what the transaction itself wrote,
// so each account is read once and written once.
type bank struct{ stub shim.ChaincodeStubInterface }

type function struct {
	arguments int
	run       func(bank, []int64) error
}

// The first argument of a write is its sender, who plays no part: customers belong to the bank.
var writes = map[string]function{
	"open":             {4, func(b bank, n []int64) error { return b.open(n[0], n[1], n[2], n[3]) }},
	"amalgamate":       {3, func(b bank, n []int64) error { return b.amalgamate(n[1], n[2]) }},
	"deposit_checking": {3, func(b bank, n []int64) error { return b.deposit(n[1], n[2]) }},
	"send_payment":     {4, func(b bank, n []int64) error { return b.pay(n[1], n[2], n[3]) }},
	"transact_savings": {3, func(b bank, n []int64) error { return b.save(n[1], n[2]) }},
	"write_check":      {3, func(b bank, n []int64) error { return b.cash(n[1], n[2]) }},
}

func (contract) Init(shim.ChaincodeStubInterface) peer.Response { return shim.Success(nil) }

func (contract) Invoke(stub shim.ChaincodeStubInterface) peer.Response {
	name, words := stub.GetFunctionAndParameters()
	numbers := make([]int64, len(words))
	for index, word := range words {
		number, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return shim.Error("not a number: " + word)
		}
		numbers[index] = number
	}
	b := bank{stub}
	if one, known := writes[name]; known && len(numbers) == one.arguments {
		return done(0, one.run(b, numbers), false)
	}
	switch {
	case name == "balance" && len(numbers) == 1:
		value, err := b.total(numbers[0], 1)
		return done(value, err, true)
	case name == "total_of" && len(numbers) == 2:
		value, err := b.total(numbers[0], numbers[1])
		return done(value, err, true)
	case name == "penalties" && len(numbers) == 0:
		value, err := b.penalties()
		return done(value, err, true)
	}
	return shim.Error("no such function: " + name)
}

// open opens the customers first … first+count-1 that do not exist yet.
func (b bank) open(first, count, inChecking, inSavings int64) error {
	for customer := first; customer < first+count; customer++ {
		_, err := b.get(checking, customer)
		if err == nil {
			continue
		}
		if !errors.Is(err, errCustomer) {
			return err
		}
		if err := b.put(checking, customer, inChecking); err != nil {
			return err
		}
		if err := b.put(savings, customer, inSavings); err != nil {
			return err
		}
	}
	return nil
}

func (b bank) amalgamate(from, to int64) error {
	current, err := b.get(checking, from)
	if err != nil {
		return err
	}
	saved, err := b.get(savings, from)
	if err != nil {
		return err
	}
	target, err := b.get(checking, to)
	if err != nil {
		return err
	}
	if from == to {
		target = 0
	}
	if err := b.put(checking, from, 0); err != nil {
		return err
	}
	if err := b.put(savings, from, 0); err != nil {
		return err
	}
	return b.put(checking, to, target+current+saved)
}

func (b bank) deposit(customer, amount int64) error {
	if amount < 0 {
		return errNegative
	}
	current, err := b.get(checking, customer)
	if err != nil {
		return err
	}
	return b.put(checking, customer, current+amount)
}

func (b bank) pay(from, to, amount int64) error {
	if amount < 0 {
		return errNegative
	}
	current, err := b.get(checking, from)
	if err != nil {
		return err
	}
	target, err := b.get(checking, to)
	if err != nil {
		return err
	}
	if current < amount {
		return errFunds
	}
	if from == to {
		return b.put(checking, from, current)
	}
	if err := b.put(checking, from, current-amount); err != nil {
		return err
	}
	return b.put(checking, to, target+amount)
}

func (b bank) save(customer, amount int64) error {
	current, err := b.get(savings, customer)
	if err != nil {
		return err
	}
	if current+amount < 0 {
		return errFunds
	}
	return b.put(savings, customer, current+amount)
}

// cash pays a cheque against both accounts; one that is not covered is paid, and costs a penalty of one.
func (b bank) cash(customer, amount int64) error {
	if amount < 0 {
		return errNegative
	}
	current, err := b.get(checking, customer)
	if err != nil {
		return err
	}
	saved, err := b.get(savings, customer)
	if err != nil {
		return err
	}
	if current+saved < amount {
		amount++
		if err := b.stub.PutState(penalty+b.stub.GetTxID(), []byte{1}); err != nil {
			return err
		}
	}
	return b.put(checking, customer, current-amount)
}

func (b bank) total(first, count int64) (int64, error) {
	sum := int64(0)
	for customer := first; customer < first+count; customer++ {
		for _, kind := range []string{checking, savings} {
			held, err := b.get(kind, customer)
			if err != nil {
				return 0, err
			}
			sum += held
		}
	}
	return sum, nil
}

func (b bank) penalties() (int64, error) {
	found, err := b.stub.GetStateByRange(penalty, penalty+"~")
	if err != nil {
		return 0, err
	}
	defer found.Close()
	count := int64(0)
	for ; found.HasNext(); count++ {
		if _, err := found.Next(); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (b bank) get(kind string, customer int64) (int64, error) {
	found, err := b.stub.GetState(kind + strconv.FormatInt(customer, 10))
	if err != nil {
		return 0, err
	}
	if found == nil {
		return 0, errCustomer
	}
	return strconv.ParseInt(string(found), 10, 64)
}

func (b bank) put(kind string, customer, value int64) error {
	return b.stub.PutState(kind+strconv.FormatInt(customer, 10), []byte(strconv.FormatInt(value, 10)))
}

func done(value int64, err error, isRead bool) peer.Response {
	if err != nil {
		return shim.Error(err.Error())
	}
	if !isRead {
		return shim.Success(nil)
	}
	return shim.Success([]byte(strconv.FormatInt(value, 10)))
}

func main() {
	server := shim.ChaincodeServer{
		CCID:     os.Getenv("CHAINCODE_ID"),
		Address:  os.Getenv("CHAINCODE_SERVER_ADDRESS"),
		CC:       contract{},
		TLSProps: shim.TLSProperties{Disabled: true}, // peer and chaincode are one organisation's, on one machine
	}
	if err := server.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
