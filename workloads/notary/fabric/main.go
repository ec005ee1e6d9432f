// Chaincode of the workload `notary`: the first anchor of a document stays, a second one is refused.
//
// A document is one key of its own, so anchors never conflict. What is kept: when (the proposal's timestamp, which its
// client chose), who, and in which transaction.
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/hyperledger/fabric-chaincode-go/shim"
	"github.com/hyperledger/fabric-protos-go/peer"
)

const documentBytes = 32

type contract struct{}

func (contract) Init(shim.ChaincodeStubInterface) peer.Response { return shim.Success(nil) }

func (contract) Invoke(stub shim.ChaincodeStubInterface) peer.Response {
	arguments := stub.GetArgs()
	if len(arguments) == 0 {
		return shim.Error("no function named")
	}
	switch name := string(arguments[0]); {
	case name == "anchor" && len(arguments) == 3: // sender, document
		return anchor(stub, arguments[1], arguments[2])
	case name == "verify" && len(arguments) == 2:
		return verify(stub, arguments[1])
	case name == "missing" && len(arguments) >= 2:
		return missing(stub, arguments[1])
	default:
		return shim.Error("no such function: " + name)
	}
}

func anchor(stub shim.ChaincodeStubInterface, sender, document []byte) peer.Response {
	if len(document) != documentBytes {
		return shim.Error("refused: malformed_document")
	}
	found, err := stub.GetState(key(document))
	if err != nil {
		return shim.Error(err.Error())
	}
	if found != nil {
		return shim.Error("refused: already_anchored")
	}
	when, err := stub.GetTxTimestamp()
	if err != nil {
		return shim.Error(err.Error())
	}
	record := fmt.Sprintf("%d %s %s", when.Seconds, sender, stub.GetTxID())
	if err := stub.PutState(key(document), []byte(record)); err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(nil)
}

// verify answers when the document was anchored (seconds since 1970), 0 when it was not.
func verify(stub shim.ChaincodeStubInterface, document []byte) peer.Response {
	found, err := stub.GetState(key(document))
	if err != nil {
		return shim.Error(err.Error())
	}
	when, _, _ := strings.Cut(string(found), " ")
	if found == nil {
		when = "0"
	}
	return shim.Success([]byte(when))
}

// missing counts how many of the concatenated documents were never anchored.
func missing(stub shim.ChaincodeStubInterface, documents []byte) peer.Response {
	if len(documents)%documentBytes != 0 {
		return shim.Error("refused: malformed_documents")
	}
	count := 0
	for start := 0; start < len(documents); start += documentBytes {
		found, err := stub.GetState(key(documents[start : start+documentBytes]))
		if err != nil {
			return shim.Error(err.Error())
		}
		if found == nil {
			count++
		}
	}
	return shim.Success([]byte(strconv.Itoa(count)))
}

func key(document []byte) string { return "document/" + hex.EncodeToString(document) }

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
