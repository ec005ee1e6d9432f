// The gRPC half of the Fabric adapter: a process of its own behind a Unix socket, one per worker or observer.
//
// It speaks the frames of bench/model/wire.py (a 4-byte length and msgpack). Its configuration is the first line of its
// standard input; the input staying open is its lifeline: when it closes, whoever started us is gone, and so are we.
// It measures nothing and keeps no state but connections.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
)

const gcPercent = 400 // short-lived garbage only: fewer collections beside the load

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(lifeline io.Reader, out io.Writer) error {
	debug.SetGCPercent(gcPercent)
	input := bufio.NewReader(lifeline)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no configuration on standard input: %w", err)
	}
	var config Config
	if err := json.Unmarshal(line, &config); err != nil {
		return fmt.Errorf("the configuration cannot be read: %w", err)
	}
	network, err := connect(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", config.Socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(config.Socket, 0o600); err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	go serve(listener, network)
	_, err = io.Copy(io.Discard, input)
	// The directory was made for this process, and whoever made it may have been killed.
	directory := filepath.Dir(config.Socket)
	os.Remove(config.Socket)
	os.Remove(filepath.Join(directory, "client.log"))
	os.Remove(filepath.Join(directory, "key.pem"))
	os.Remove(directory)
	return err
}
