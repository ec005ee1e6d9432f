// Chaincode of the workload `transfer`: one account pays another, and nobody pays what he does not have.
//
// What an account may spend is one key; what it is given is a key per payment, written without reading anything, so that
// a much paid account makes no two payments conflict. An account that runs short collects what it was given. Two
// payments *of* one account in one block do conflict (MVCC), and the second one fails: that is how this ledger treats
// them. Who may pay from an account is not checked.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/shim"
	"github.com/hyperledger/fabric-protos-go/peer"
)

type contract struct{}

func (contract) Init(shim.ChaincodeStubInterface) peer.Response { return shim.Success(nil) }

func (contract) Invoke(stub shim.ChaincodeStubInterface) peer.Response {
	name, words := stub.GetFunctionAndParameters()
	var numbers []int64
	for _, word := range words {
		number, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return shim.Error("not a number: " + word)
		}
		numbers = append(numbers, number)
	}
	switch {
	case name == "open" && len(numbers) == 3:
		return open(stub, numbers[0], numbers[1], numbers[2])
	case name == "transfer" && len(numbers) == 3: // sender, to, amount
		return transfer(stub, numbers[0], numbers[1], numbers[2])
	case name == "balance" && len(numbers) == 1:
		return answer(balance(stub, numbers[0]))
	case name == "total_of" && len(numbers) == 2:
		return answer(total(stub, numbers[0], numbers[1]))
	}
	return shim.Error("no such function: " + name)
}

// open gives `balance` to the accounts first … first+count-1 that do not exist yet.
func open(stub shim.ChaincodeStubInterface, first, count, balance int64) peer.Response {
	for account := first; account < first+count; account++ {
		found, err := stub.GetState(key(account))
		if err != nil {
			return shim.Error(err.Error())
		}
		if found == nil {
			if err := put(stub, account, balance); err != nil {
				return shim.Error(err.Error())
			}
		}
	}
	return shim.Success(nil)
}

func transfer(stub shim.ChaincodeStubInterface, sender, to, amount int64) peer.Response {
	if amount < 0 {
		return shim.Error("refused: negative_amount")
	}
	held, err := spendable(stub, sender)
	if err != nil {
		return shim.Error(err.Error())
	}
	if held < amount {
		collected, err := credits(stub, sender, stub.DelState)
		if err != nil {
			return shim.Error(err.Error())
		}
		held += collected
	}
	if held < amount {
		return shim.Error("refused: insufficient_funds")
	}
	if err := put(stub, sender, held-amount); err != nil {
		return shim.Error(err.Error())
	}
	if err := stub.PutState(given(to)+stub.GetTxID(), []byte(strconv.FormatInt(amount, 10))); err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(nil)
}

// balance is all an account has: what it may spend and what it was given since.
func balance(stub shim.ChaincodeStubInterface, account int64) (int64, error) {
	held, err := spendable(stub, account)
	if err != nil {
		return 0, err
	}
	collected, err := credits(stub, account, func(string) error { return nil })
	return held + collected, err
}

func spendable(stub shim.ChaincodeStubInterface, account int64) (int64, error) {
	found, err := stub.GetState(key(account))
	if err != nil {
		return 0, err
	}
	if found == nil {
		return 0, fmt.Errorf("refused: unknown_account")
	}
	return strconv.ParseInt(string(found), 10, 64)
}

// credits sums what an account was given and does `with` to the key of each.
func credits(stub shim.ChaincodeStubInterface, account int64, with func(string) error) (int64, error) {
	found, err := stub.GetStateByRange(given(account), given(account)+"~")
	if err != nil {
		return 0, err
	}
	defer found.Close()
	sum := int64(0)
	for found.HasNext() {
		one, err := found.Next()
		if err != nil {
			return 0, err
		}
		amount, err := strconv.ParseInt(string(one.Value), 10, 64)
		if err != nil {
			return 0, err
		}
		if err := with(one.Key); err != nil {
			return 0, err
		}
		sum += amount
	}
	return sum, nil
}

func total(stub shim.ChaincodeStubInterface, first, count int64) (int64, error) {
	sum := int64(0)
	for account := first; account < first+count; account++ {
		held, err := balance(stub, account)
		if err != nil {
			return 0, err
		}
		sum += held
	}
	return sum, nil
}

func put(stub shim.ChaincodeStubInterface, account, balance int64) error {
	return stub.PutState(key(account), []byte(strconv.FormatInt(balance, 10)))
}

func key(account int64) string { return "account/" + strconv.FormatInt(account, 10) }

func given(account int64) string { return "given/" + strconv.FormatInt(account, 10) + "/" }

func answer(value int64, err error) peer.Response {
	if err != nil {
		return shim.Error(err.Error())
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
