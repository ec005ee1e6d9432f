package main

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Values of bench.model.transaction.ErrorClass.
const (
	noAnswer           = 0
	unreachable        = 10
	invalidTransaction = 11
	rateLimited        = 17
	unauthorized       = 18
	nodeError          = 19
	conflict           = 32
	businessRefusal    = 33
	invalidInBlock     = 34
	readRefused        = 50
)

const (
	chaincodeRefusal = "refused: " // how our chaincodes begin a business refusal
	duplicate        = "duplicate transaction found"
)

// answer is 0 (accepted), or a class and a message; the class 0 says that nobody knows.
type answer any

var accepted answer = 0

func refusal(class int, message string) answer { return []any{class, message} }

func unanswered(message string) answer { return []any{noAnswer, message} }

// ofError reads a gRPC error that came before anything was handed to the orderers.
func ofError(err error) answer {
	found := status.Convert(err)
	message := found.Message()
	for _, detail := range found.Details() { // the gateway hides the peers' words there
		if words, fits := detail.(interface{ GetMessage() string }); fits {
			message += ": " + words.GetMessage()
		}
	}
	switch {
	case strings.Contains(message, "payloads do not match") || strings.Contains(message, "Payloads do not match"):
		return refusal(conflict, message)
	case found.Code() == codes.Unavailable:
		return refusal(unreachable, message)
	case found.Code() == codes.ResourceExhausted:
		return refusal(rateLimited, message)
	case found.Code() == codes.PermissionDenied:
		return refusal(unauthorized, message)
	case found.Code() == codes.DeadlineExceeded:
		return refusal(nodeError, message)
	}
	return ofMessage(message)
}

// ofMessage reads what a peer or the chaincode said.
func ofMessage(message string) answer {
	switch {
	case strings.Contains(message, duplicate):
		return accepted // it is in the ledger already
	case strings.Contains(message, chaincodeRefusal):
		_, reason, _ := strings.Cut(message, chaincodeRefusal)
		return refusal(businessRefusal, reason)
	case strings.Contains(message, "too many requests"):
		return refusal(rateLimited, message)
	case strings.Contains(message, "access denied"):
		return refusal(unauthorized, message)
	case strings.Contains(message, "error validating proposal"):
		return refusal(invalidTransaction, message)
	}
	return refusal(nodeError, message)
}

func isBroken(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled
}
