package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const maxMessageBytes = 100 * 1024 * 1024

// Config is what the adapter sends. Files are named, never their contents: no key passes through here.
type Config struct {
	Socket    string   `json:"socket"`
	Channel   string   `json:"channel"`
	MspID     string   `json:"msp_id"`
	CertFile  string   `json:"cert_file"`
	KeyFile   string   `json:"key_file"`
	Path      string   `json:"submit_path"`
	Endorsers []Server `json:"endorsers"` // one peer per organisation
	Peer      Server   `json:"peer"`      // gateway, reads and blocks
	Orderers  []Server `json:"orderers"`
	Streams   int      `json:"streams"`
	TimeoutS  float64  `json:"timeout_s"`
}

// Server is one gRPC server; without CaPem the connection is plain.
type Server struct {
	Address string `json:"address"`
	CaPem   string `json:"ca_pem"`
	Name    string `json:"name"` // in its certificate, where that is not its address
}

// Network holds the connections; all of it may be used by many goroutines at once.
type Network struct {
	config    Config
	identity  *Identity
	endorsers []*grpc.ClientConn
	peer      *grpc.ClientConn
	lanes     *Lanes
	timeout   time.Duration
}

func connect(config Config) (*Network, error) {
	identity, err := readIdentity(config)
	if err != nil {
		return nil, err
	}
	network := &Network{config: config, identity: identity, timeout: time.Duration(config.TimeoutS * float64(time.Second))}
	if network.peer, err = dial(config.Peer); err != nil {
		return nil, err
	}
	for _, server := range config.Endorsers {
		connection, err := dial(server)
		if err != nil {
			return nil, err
		}
		network.endorsers = append(network.endorsers, connection)
	}
	network.lanes = newLanes(config.Orderers, config.Streams)
	return network, nil
}

// dial prepares a connection; it is made when first used.
func dial(server Server) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if server.CaPem != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(server.CaPem)) {
			return nil, fmt.Errorf("no certificate in the TLS CA of %s", server.Address)
		}
		transport = credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: server.Name, MinVersion: tls.VersionTLS12})
	}
	return grpc.NewClient(
		"passthrough:///"+server.Address,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.WithInitialWindowSize(1<<20),
		grpc.WithInitialConnWindowSize(8<<20),
	)
}

func readFile(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("a file of the identity cannot be read: %w", err)
	}
	return content, nil
}
