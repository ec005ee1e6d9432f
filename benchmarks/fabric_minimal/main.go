// A minimal load generator for Fabric: proposals signed beforehand, endorsed by all peers, sent on one Broadcast stream.
//
//	fabric-minimal CONFIG PROPOSALS CONCURRENCY SECONDS
//
// It measures nothing and checks no answer but errors: what it reaches is what a network gives somebody who only sends.
// CONFIG is the JSON that the adapter gives its own client program; PROPOSALS holds length-prefixed SignedProposals.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"log"
	"math/big"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/hyperledger/fabric-protos-go/common"
	"github.com/hyperledger/fabric-protos-go/orderer"
	"github.com/hyperledger/fabric-protos-go/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

type server struct {
	Address string `json:"address"`
	CaPem   string `json:"ca_pem"`
	Name    string `json:"name"`
}

type config struct {
	KeyFile   string   `json:"key_file"`
	Endorsers []server `json:"endorsers"`
	Orderers  []server `json:"orderers"`
}

func main() {
	var chosen config
	check(json.Unmarshal(must(os.ReadFile(os.Args[1])), &chosen))
	proposals := split(must(os.ReadFile(os.Args[2])))
	concurrency, seconds := must(strconv.Atoi(os.Args[3])), must(strconv.ParseFloat(os.Args[4], 64))
	block, _ := pem.Decode(must(os.ReadFile(chosen.KeyFile)))
	key := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*ecdsa.PrivateKey)
	var peers []peer.EndorserClient
	for _, one := range chosen.Endorsers {
		peers = append(peers, peer.NewEndorserClient(dial(one)))
	}
	stream := must(orderer.NewAtomicBroadcastClient(dial(chosen.Orderers[0])).Broadcast(context.Background()))
	envelopes := make(chan *common.Envelope, 4*concurrency)
	go func() {
		for envelope := range envelopes {
			check(stream.Send(envelope))
		}
	}()
	go func() {
		for {
			if answer, err := stream.Recv(); err != nil || answer.Status != common.Status_SUCCESS {
				log.Fatal(answer, err)
			}
		}
	}()
	work := make(chan []byte)
	var all sync.WaitGroup
	for range concurrency {
		all.Add(1)
		go func() {
			defer all.Done()
			for content := range work {
				envelopes <- transact(peers, key, content)
			}
		}()
	}
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for _, proposal := range proposals {
		if time.Now().After(until) {
			break
		}
		work <- proposal
	}
	close(work)
	all.Wait()
	time.Sleep(time.Second) // what is on its way
}

func transact(peers []peer.EndorserClient, key *ecdsa.PrivateKey, content []byte) *common.Envelope {
	signed, proposal, header := &peer.SignedProposal{}, &peer.Proposal{}, &common.Header{}
	check(proto.Unmarshal(content, signed))
	check(proto.Unmarshal(signed.ProposalBytes, proposal))
	check(proto.Unmarshal(proposal.Header, header))
	responses := make([]*peer.ProposalResponse, len(peers))
	var all sync.WaitGroup
	for index, one := range peers {
		all.Add(1)
		go func() {
			defer all.Done()
			responses[index] = must(one.ProcessProposal(context.Background(), signed))
		}()
	}
	all.Wait()
	endorsed := &peer.ChaincodeEndorsedAction{ProposalResponsePayload: responses[0].Payload}
	for _, response := range responses {
		if response.Endorsement == nil {
			log.Fatal(response.Response.Message)
		}
		endorsed.Endorsements = append(endorsed.Endorsements, response.Endorsement)
	}
	action := must(proto.Marshal(&peer.ChaincodeActionPayload{ChaincodeProposalPayload: proposal.Payload, Action: endorsed}))
	actions := []*peer.TransactionAction{{Header: header.SignatureHeader, Payload: action}}
	payload := must(proto.Marshal(&common.Payload{Header: header, Data: must(proto.Marshal(&peer.Transaction{Actions: actions}))}))
	digest := sha256.Sum256(payload)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	check(err)
	if order := key.Params().N; s.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
		s.Sub(order, s)
	}
	return &common.Envelope{Payload: payload, Signature: must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))}
}

func dial(one server) *grpc.ClientConn {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(one.CaPem))
	transport := credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: one.Name, MinVersion: tls.VersionTLS12})
	return must(grpc.NewClient("passthrough:///"+one.Address, grpc.WithTransportCredentials(transport)))
}

func split(content []byte) (parts [][]byte) {
	for len(content) > 0 {
		length := binary.BigEndian.Uint32(content)
		parts = append(parts, content[4:4+length])
		content = content[4+length:]
	}
	return parts
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
