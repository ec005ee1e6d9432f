package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"github.com/golang/protobuf/proto"
	"github.com/hyperledger/fabric-protos-go/msp"
)

// Identity is who signs what this process itself has to sign: assembled transactions and requests for blocks.
type Identity struct {
	key     *ecdsa.PrivateKey
	creator []byte
}

var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

func readIdentity(config Config) (*Identity, error) {
	cert, err := readFile(config.CertFile)
	if err != nil {
		return nil, err
	}
	content, err := readFile(config.KeyFile)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.KeyFile, err)
	}
	creator, err := proto.Marshal(&msp.SerializedIdentity{Mspid: config.MspID, IdBytes: cert})
	return &Identity{key, creator}, err
}

func parseKey(content []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("no private key")
	}
	key, fits := parsed.(*ecdsa.PrivateKey)
	if !fits || key.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return key, nil
}

// sign makes the low-S signature that Fabric insists on.
func (identity *Identity) sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, identity.key, digest[:])
	if err != nil {
		return nil, err
	}
	if s.Cmp(halfOrder) > 0 {
		s.Sub(identity.key.Params().N, s)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{r, s})
}
