package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes"
	"github.com/hyperledger/fabric-protos-go/common"
	"github.com/hyperledger/fabric-protos-go/orderer"
	"github.com/hyperledger/fabric-protos-go/peer"
)

const nonceBytes = 24

// seek asks for blocks from `start` on; every such request is signed.
func (network *Network) seek(start, stop *orderer.SeekPosition, behavior orderer.SeekInfo_SeekBehavior) (*common.Envelope, error) {
	nonce := make([]byte, nonceBytes)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(append(append([]byte{}, nonce...), network.identity.creator...))
	channel, err := proto.Marshal(&common.ChannelHeader{
		Type:      int32(common.HeaderType_DELIVER_SEEK_INFO),
		ChannelId: network.config.Channel,
		TxId:      hex.EncodeToString(digest[:]),
		Timestamp: ptypes.TimestampNow(),
	})
	if err != nil {
		return nil, err
	}
	signature, err := proto.Marshal(&common.SignatureHeader{Creator: network.identity.creator, Nonce: nonce})
	if err != nil {
		return nil, err
	}
	info, err := proto.Marshal(&orderer.SeekInfo{Start: start, Stop: stop, Behavior: behavior})
	if err != nil {
		return nil, err
	}
	header := &common.Header{ChannelHeader: channel, SignatureHeader: signature}
	payload, err := proto.Marshal(&common.Payload{Header: header, Data: info})
	if err != nil {
		return nil, err
	}
	signed, err := network.identity.sign(payload)
	return &common.Envelope{Payload: payload, Signature: signed}, err
}

func at(number uint64) *orderer.SeekPosition {
	return &orderer.SeekPosition{Type: &orderer.SeekPosition_Specified{Specified: &orderer.SeekSpecified{Number: number}}}
}

func newest() *orderer.SeekPosition {
	return &orderer.SeekPosition{Type: &orderer.SeekPosition_Newest{Newest: &orderer.SeekNewest{}}}
}

type filtered = peer.Deliver_DeliverFilteredClient

// follow opens a stream of filtered blocks; `after` below zero begins at the newest, whose number is returned.
func (network *Network) follow(ctx context.Context, after int64) (filtered, int64, error) {
	stream, err := peer.NewDeliverClient(network.peer).DeliverFiltered(ctx)
	if err != nil {
		return nil, 0, err
	}
	start := newest()
	if after >= 0 {
		start = at(uint64(after) + 1)
	}
	envelope, err := network.seek(start, at(math.MaxUint64), orderer.SeekInfo_BLOCK_UNTIL_READY)
	if err != nil {
		return nil, 0, err
	}
	if err := stream.Send(envelope); err != nil {
		return nil, 0, err
	}
	if after >= 0 {
		return stream, after, nil
	}
	first, err := nextBlock(stream)
	if err != nil {
		return nil, 0, err
	}
	return stream, int64(first.Number), nil
}

func nextBlock(stream filtered) (*peer.FilteredBlock, error) {
	response, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if block := response.GetFilteredBlock(); block != nil {
		return block, nil
	}
	return nil, fmt.Errorf("the peer ended the stream of blocks with %s", response.GetStatus())
}

// frame is [height, block id, joined transaction ids, one class per transaction]. A repeated transaction is left out:
// its first appearance is the one that counts. A filtered block carries no hash, so its id is the hash of what it holds.
func frame(block *peer.FilteredBlock) []any {
	var ids, classes []byte
	for _, transaction := range block.FilteredTransactions {
		code := transaction.TxValidationCode
		if transaction.Type != common.HeaderType_ENDORSER_TRANSACTION || code == peer.TxValidationCode_DUPLICATE_TXID {
			continue
		}
		id, err := hex.DecodeString(transaction.Txid)
		if err != nil || len(id) != sha256.Size {
			continue
		}
		ids = append(ids, id...)
		classes = append(classes, classOf(code))
	}
	digest := sha256.New()
	digest.Write([]byte(block.ChannelId))
	digest.Write(binary.BigEndian.AppendUint64(nil, block.Number))
	digest.Write(ids)
	digest.Write(classes)
	return []any{block.Number, digest.Sum(nil), append([]byte{}, ids...), append([]byte{}, classes...)}
}

func classOf(code peer.TxValidationCode) byte {
	switch code {
	case peer.TxValidationCode_VALID:
		return 0
	case peer.TxValidationCode_MVCC_READ_CONFLICT, peer.TxValidationCode_PHANTOM_READ_CONFLICT:
		return conflict
	}
	return invalidInBlock
}

// head is the newest block's number; chain names the channel by the hash of what its first block holds.
func (network *Network) head(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, network.timeout)
	defer cancel()
	_, number, err := network.follow(ctx, -1)
	return number, err
}

func (network *Network) chain(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, network.timeout)
	defer cancel()
	var id []byte
	err := network.whole(ctx, 0, 0, func(block *common.Block) error {
		digest := sha256.Sum256(append([]byte(network.config.Channel), block.Header.DataHash...))
		id = digest[:]
		return nil
	})
	return id, err
}

// whole hands over the whole blocks `first` … `last`.
func (network *Network) whole(ctx context.Context, first, last uint64, take func(*common.Block) error) error {
	stream, err := peer.NewDeliverClient(network.peer).Deliver(ctx)
	if err != nil {
		return err
	}
	envelope, err := network.seek(at(first), at(last), orderer.SeekInfo_FAIL_IF_NOT_READY)
	if err != nil {
		return err
	}
	if err := stream.Send(envelope); err != nil {
		return err
	}
	for number := first; number <= last; number++ {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		block := response.GetBlock()
		if block == nil {
			return fmt.Errorf("the peer gives no block %d: %s", number, response.GetStatus())
		}
		if err := take(block); err != nil {
			return err
		}
	}
	return nil
}

// count says how many transactions after block `after` have a nonce that begins with `salt`, valid or not, once each.
func (network *Network) count(ctx context.Context, after int64, salt []byte) (int, error) {
	last, err := network.head(ctx)
	if err != nil || last <= after {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	seen := map[string]struct{}{}
	err = network.whole(ctx, uint64(after)+1, uint64(last), func(block *common.Block) error {
		for _, content := range block.Data.Data {
			envelope, payload, header := &common.Envelope{}, &common.Payload{}, &common.SignatureHeader{}
			if err := proto.Unmarshal(content, envelope); err != nil {
				return err
			}
			if err := proto.Unmarshal(envelope.Payload, payload); err != nil {
				return err
			}
			if err := proto.Unmarshal(payload.Header.SignatureHeader, header); err != nil {
				return err
			}
			if bytes.HasPrefix(header.Nonce, salt) {
				seen[string(header.Nonce)] = struct{}{}
			}
		}
		return nil
	})
	return len(seen), err
}
