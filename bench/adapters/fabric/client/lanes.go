package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperledger/fabric-protos-go/common"
	"github.com/hyperledger/fabric-protos-go/orderer"
	"google.golang.org/grpc"
)

// window bounds what one stream holds unanswered; more waits in its senders.
const window = 4096

const redialPause = 200 * time.Millisecond

// Lanes are long-lived Broadcast streams to the orderers. An orderer answers in the order it was asked.
type Lanes struct {
	all  []*lane
	next atomic.Uint64
}

type lane struct {
	orderers []Server
	turn     int
	lock     sync.Mutex
	stream   *stream
	retryAt  time.Time
}

type stream struct {
	client     orderer.AtomicBroadcast_BroadcastClient
	connection *grpc.ClientConn
	waiting    chan chan answer
	broken     chan struct{}
}

func newLanes(orderers []Server, count int) *Lanes {
	lanes := &Lanes{}
	for index := range max(count, 1) {
		lanes.all = append(lanes.all, &lane{orderers: orderers, turn: index})
	}
	return lanes
}

func (lanes *Lanes) send(ctx context.Context, envelope *common.Envelope) answer {
	one := lanes.all[lanes.next.Add(1)%uint64(len(lanes.all))]
	reply := make(chan answer, 1)
	if refused := one.send(envelope, reply); refused != nil {
		return refused
	}
	select {
	case told := <-reply:
		return told
	case <-ctx.Done():
		return unanswered("the orderer did not answer in time")
	}
}

// send hands the envelope to the stream; nil when it did.
func (one *lane) send(envelope *common.Envelope, reply chan answer) answer {
	one.lock.Lock()
	defer one.lock.Unlock()
	if err := one.ready(); err != nil {
		return refusal(unreachable, err.Error())
	}
	current := one.stream
	select {
	case current.waiting <- reply:
	case <-current.broken:
		one.stream = nil
		return refusal(unreachable, "the stream to the orderer broke")
	}
	if err := current.client.Send(envelope); err != nil {
		one.drop()
		return unanswered("the stream to the orderer broke")
	}
	return nil
}

// ready opens a stream to the next orderer where there is none. Lanes begin with different orderers.
func (one *lane) ready() error {
	if one.stream != nil {
		select {
		case <-one.stream.broken:
			one.drop()
		default:
			return nil
		}
	}
	if time.Now().Before(one.retryAt) {
		return errors.New("no orderer answers")
	}
	var failed error
	for range one.orderers {
		server := one.orderers[one.turn%len(one.orderers)]
		opened, err := open(server)
		if err == nil {
			one.stream = opened
			return nil
		}
		failed = err
		one.turn++
	}
	one.retryAt = time.Now().Add(redialPause)
	return failed
}

func (one *lane) drop() {
	one.stream.connection.Close()
	one.stream = nil
	one.turn++
}

func open(server Server) (*stream, error) {
	connection, err := dial(server)
	if err != nil {
		return nil, err
	}
	client, err := orderer.NewAtomicBroadcastClient(connection).Broadcast(context.Background())
	if err != nil {
		connection.Close()
		return nil, err
	}
	opened := &stream{client, connection, make(chan chan answer, window), make(chan struct{})}
	go opened.receive()
	return opened, nil
}

func (opened *stream) receive() {
	for {
		response, err := opened.client.Recv()
		if err != nil {
			close(opened.broken)
			for {
				select {
				case reply := <-opened.waiting:
					reply <- unanswered("the stream to the orderer broke: " + err.Error())
				default:
					return
				}
			}
		}
		reply := <-opened.waiting
		reply <- ofStatus(response)
	}
}

func ofStatus(response *orderer.BroadcastResponse) answer {
	switch response.Status {
	case common.Status_SUCCESS:
		return accepted
	case common.Status_FORBIDDEN:
		return refusal(unauthorized, response.Info)
	case common.Status_BAD_REQUEST:
		return refusal(invalidTransaction, response.Info)
	case common.Status_SERVICE_UNAVAILABLE:
		return refusal(nodeError, "the orderers have no leader: "+response.Info)
	}
	return refusal(nodeError, response.Status.String()+": "+response.Info)
}
