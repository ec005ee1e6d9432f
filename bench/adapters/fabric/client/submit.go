package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/hyperledger/fabric-protos-go/common"
	"github.com/hyperledger/fabric-protos-go/gateway"
	"github.com/hyperledger/fabric-protos-go/peer"
	"google.golang.org/grpc"
)

const (
	attempts = 20
	pause    = 5 * time.Millisecond
)

// The first byte of a payload tells what the rest, a SignedProposal, is for.
const (
	write = 0
	read  = 1
)

// call is one proposal under way.
type call struct {
	signed   *peer.SignedProposal
	proposal *peer.Proposal
	header   *common.Header
	txID     string
}

func parse(payload []byte) (*call, error) {
	one := &call{signed: &peer.SignedProposal{}, proposal: &peer.Proposal{}, header: &common.Header{}}
	channel := &common.ChannelHeader{}
	if err := proto.Unmarshal(payload, one.signed); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(one.signed.ProposalBytes, one.proposal); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(one.proposal.Header, one.header); err != nil {
		return nil, err
	}
	err := proto.Unmarshal(one.header.ChannelHeader, channel)
	one.txID = channel.TxId
	return one, err
}

// handle carries out one payload and says how that went.
func (network *Network) handle(payload []byte) answer {
	if len(payload) == 0 {
		return refusal(invalidTransaction, "empty payload")
	}
	one, err := parse(payload[1:])
	if err != nil {
		return refusal(invalidTransaction, "not a proposal: "+err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), network.timeout)
	defer cancel()
	switch {
	case payload[0] == read:
		_, refused := network.evaluate(ctx, one)
		return refused
	case network.config.Path == "gateway":
		return network.throughGateway(ctx, one)
	default:
		return network.throughPipeline(ctx, one)
	}
}

// evaluate asks one peer and orders nothing.
func (network *Network) evaluate(ctx context.Context, one *call) ([]byte, answer) {
	response, err := endorse(ctx, network.peer, one)
	if err != nil {
		return nil, refusal(readRefused, err.Error())
	}
	if response.Response.Status >= 400 {
		return nil, refusal(readRefused, response.Response.Message)
	}
	return response.Response.Payload, accepted
}

// endorse asks one peer. A peer runs the same proposal once at a time, so a second one is tried again a little later.
func endorse(ctx context.Context, connection *grpc.ClientConn, one *call) (*peer.ProposalResponse, error) {
	client := peer.NewEndorserClient(connection)
	for attempt := 0; ; attempt++ {
		response, err := client.ProcessProposal(ctx, one.signed)
		busy := fmt.Sprintf("txid: %s(", one.txID)
		if attempt == attempts || !(err != nil && strings.Contains(err.Error(), busy) ||
			err == nil && strings.Contains(response.Response.GetMessage(), busy)) {
			return response, err
		}
		time.Sleep(pause)
	}
}

// throughPipeline has every organisation endorse at the same time, and keeps the stream to the orderers open.
func (network *Network) throughPipeline(ctx context.Context, one *call) answer {
	responses := make([]*peer.ProposalResponse, len(network.endorsers))
	failures := make([]error, len(network.endorsers))
	var all sync.WaitGroup
	for index := range network.endorsers {
		all.Add(1)
		go func() {
			defer all.Done()
			responses[index], failures[index] = endorse(ctx, network.endorsers[index], one)
		}()
	}
	all.Wait()
	for index, response := range responses {
		if failures[index] != nil {
			return ofError(failures[index])
		}
		if response.Response.Status >= 400 {
			return ofMessage(response.Response.Message)
		}
		if !bytes.Equal(response.Payload, responses[0].Payload) {
			return refusal(conflict, "the organisations' peers computed different results: one had committed more blocks")
		}
	}
	envelope, err := network.assemble(one, responses)
	if err != nil {
		return refusal(nodeError, err.Error())
	}
	return network.lanes.send(ctx, envelope)
}

// assemble makes the transaction of a proposal and its endorsements; signing it is part of Fabric's protocol.
func (network *Network) assemble(one *call, responses []*peer.ProposalResponse) (*common.Envelope, error) {
	endorsements := make([]*peer.Endorsement, len(responses))
	for index, response := range responses {
		endorsements[index] = response.Endorsement
	}
	action, err := proto.Marshal(&peer.ChaincodeActionPayload{
		ChaincodeProposalPayload: one.proposal.Payload,
		Action:                   &peer.ChaincodeEndorsedAction{ProposalResponsePayload: responses[0].Payload, Endorsements: endorsements},
	})
	if err != nil {
		return nil, err
	}
	actions := []*peer.TransactionAction{{Header: one.header.SignatureHeader, Payload: action}}
	data, err := proto.Marshal(&peer.Transaction{Actions: actions})
	if err != nil {
		return nil, err
	}
	payload, err := proto.Marshal(&common.Payload{Header: one.header, Data: data})
	if err != nil {
		return nil, err
	}
	signature, err := network.identity.sign(payload)
	return &common.Envelope{Payload: payload, Signature: signature}, err
}

// throughGateway leaves endorsing and ordering to the gateway service of our organisation's peer.
func (network *Network) throughGateway(ctx context.Context, one *call) answer {
	client := gateway.NewGatewayClient(network.peer)
	endorsed, err := client.Endorse(ctx, &gateway.EndorseRequest{
		TransactionId: one.txID, ChannelId: network.config.Channel, ProposedTransaction: one.signed,
	})
	if err != nil {
		return ofError(err)
	}
	prepared := endorsed.PreparedTransaction
	if prepared.Signature, err = network.identity.sign(prepared.Payload); err != nil {
		return refusal(nodeError, err.Error())
	}
	_, err = client.Submit(ctx, &gateway.SubmitRequest{
		TransactionId: one.txID, ChannelId: network.config.Channel, PreparedTransaction: prepared,
	})
	if err != nil && (errors.Is(ctx.Err(), context.DeadlineExceeded) || isBroken(err)) {
		return unanswered(fmt.Sprintf("handed to the gateway: %v", err))
	}
	if err != nil {
		return ofError(err)
	}
	return accepted
}
