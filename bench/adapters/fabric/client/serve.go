package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

const maxFrameBytes = 32 * 1024 * 1024

func serve(listener net.Listener, network *Network) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			_ = attend(connection, network) // a connection that breaks is its client's to notice
		}()
	}
}

// attend answers one connection's requests in turn.
func attend(connection net.Conn, network *Network) error {
	input := bufio.NewReader(connection)
	for {
		request, err := receive(input)
		if err != nil {
			return err
		}
		name, _ := request[0].(string)
		switch name {
		case "submit", "query":
			err = send(connection, network.handleAll(request[1]))
		case "follow":
			return network.stream(connection, input, request[1])
		default:
			err = send(connection, network.ask(name, request[1:]))
		}
		if err != nil {
			return err
		}
	}
}

func (network *Network) handleAll(payloads any) []answer {
	list, _ := payloads.([]any)
	answers := make([]answer, len(list))
	if len(list) == 1 {
		answers[0] = network.handle(binaryOf(list[0]))
		return answers
	}
	var all sync.WaitGroup
	for index, payload := range list {
		all.Add(1)
		go func() {
			defer all.Done()
			answers[index] = network.handle(binaryOf(payload))
		}()
	}
	all.Wait()
	return answers
}

// ask answers what is not load.
func (network *Network) ask(name string, arguments []any) []any {
	ctx := context.Background()
	switch {
	case name == "hello":
		chain, err := network.chain(ctx)
		if err != nil {
			return failure(err)
		}
		return []any{"hello", "fabric", chain}
	case name == "head":
		head, err := network.head(ctx)
		return valueOr(head, err)
	case name == "count" && len(arguments) == 2:
		count, err := network.count(ctx, integer(arguments[0]), binaryOf(arguments[1]))
		return valueOr(count, err)
	case name == "read" && len(arguments) == 1:
		return network.read(ctx, binaryOf(arguments[0]))
	}
	return failure(fmt.Errorf("no such request: %s", name))
}

func (network *Network) read(ctx context.Context, payload []byte) []any {
	if len(payload) == 0 {
		return failure(errors.New("empty payload"))
	}
	one, err := parse(payload[1:])
	if err != nil {
		return failure(err)
	}
	ctx, cancel := context.WithTimeout(ctx, network.timeout)
	defer cancel()
	value, told := network.evaluate(ctx, one)
	if words, refused := told.([]any); refused {
		return failure(fmt.Errorf("%v", words[1]))
	}
	return []any{"value", append([]byte{}, value...)}
}

// stream sends ["head", height] and then each block, until either side goes.
func (network *Network) stream(connection net.Conn, input *bufio.Reader, after any) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the client says nothing more; its end is heard here
		_, _ = io.Copy(io.Discard, input)
		cancel()
	}()
	begin := int64(-1)
	if after != nil {
		begin = integer(after)
	}
	blocks, head, err := network.follow(ctx, begin)
	if err != nil {
		return err
	}
	if err := send(connection, []any{"head", head}); err != nil {
		return err
	}
	for {
		block, err := nextBlock(blocks)
		if err != nil {
			return err
		}
		if err := send(connection, frame(block)); err != nil {
			return err
		}
	}
}

func receive(input io.Reader) ([]any, error) {
	var header [4]byte
	if _, err := io.ReadFull(input, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxFrameBytes {
		return nil, errors.New("not a frame")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(input, body); err != nil {
		return nil, err
	}
	var request []any
	if err := msgpack.Unmarshal(body, &request); err != nil || len(request) == 0 {
		return nil, errors.New("not a request")
	}
	return request, nil
}

func send(connection io.Writer, message any) error {
	var buffer bytes.Buffer
	buffer.Write(make([]byte, 4))
	if err := msgpack.NewEncoder(&buffer).Encode(message); err != nil {
		return err
	}
	content := buffer.Bytes()
	binary.BigEndian.PutUint32(content, uint32(len(content)-4))
	_, err := connection.Write(content)
	return err
}

func valueOr(value any, err error) []any {
	if err != nil {
		return failure(err)
	}
	return []any{"value", value}
}

func failure(err error) []any { return []any{"error", err.Error()} }

func binaryOf(value any) []byte {
	content, _ := value.([]byte)
	return content
}

func integer(value any) int64 {
	switch number := value.(type) {
	case int8:
		return int64(number)
	case int16:
		return int64(number)
	case int32:
		return int64(number)
	case int64:
		return number
	case uint8:
		return int64(number)
	case uint16:
		return int64(number)
	case uint32:
		return int64(number)
	case uint64:
		return int64(number)
	}
	return 0
}
