// Package ledger is the application of the `cometbft` ledger: signed transactions over accounts, anchored documents,
// keys with values, and a small bank.
//
// A block never holds a transaction that is malformed, badly signed or executed before, unless more than a third of the
// validators are faulty: CheckTx keeps them out of the mempool, PrepareProposal out of our proposals, ProcessProposal
// votes against proposals of others that hold one, and FinalizeBlock, which relies on none of that, refuses to execute
// them. Business rules are checked at execution only; what they refuse is in the block, with its code.
//
// State lives in memory. What is durable are CometBFT's write-ahead log and block store: a node that starts again is at
// height 0, is given all blocks anew, and executes them anew.
package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"

	abci "github.com/cometbft/cometbft/abci/types"
)

// Name is how a client recognises the application (`abci_info`).
const Name = "ledger-bench"

const codespace = "ledger-bench"

// Application may be called by consensus, mempool and queries at the same time.
type Application struct {
	abci.BaseApplication
	lock     sync.RWMutex // of state
	state    *State
	domain   []byte
	verified *verified
}

// NewApplication is at height 0.
func NewApplication() *Application {
	return &Application{state: NewState(), verified: newVerified()}
}

// Info says who we are and where we stand.
func (a *Application) Info(context.Context, *abci.RequestInfo) (*abci.ResponseInfo, error) {
	a.lock.RLock()
	defer a.lock.RUnlock()
	return &abci.ResponseInfo{
		Data: Name, Version: fmt.Sprint(Version), AppVersion: Version,
		LastBlockHeight: a.state.height, LastBlockAppHash: a.state.appHash,
	}, nil
}

// InitChain creates the money there is: `{"treasury": "<public key, hex>", "supply": <amount>}` as app_state of genesis.
func (a *Application) InitChain(_ context.Context, request *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var genesis struct {
		Treasury string `json:"treasury"`
		Supply   uint64 `json:"supply"`
	}
	if err := json.Unmarshal(request.AppStateBytes, &genesis); err != nil {
		return nil, fmt.Errorf("app_state of genesis: %w", err)
	}
	key, err := hex.DecodeString(genesis.Treasury)
	if err != nil || len(key) != keyBytes || genesis.Supply > maxAmount {
		return nil, fmt.Errorf("app_state of genesis: treasury has to be a public key of 32 bytes, supply at most 2^62")
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	a.domain = Domain(request.ChainId)
	a.state.Grant(Transaction{Key: key}.Sender(), genesis.Supply)
	return &abci.ResponseInitChain{AppHash: a.state.appHash}, nil
}

// CheckTx verifies the signature of a new transaction. What is checked again after a block was verified before.
func (a *Application) CheckTx(_ context.Context, request *abci.RequestCheckTx) (*abci.ResponseCheckTx, error) {
	_, code := a.admit(request.Tx)
	return &abci.ResponseCheckTx{Code: uint32(code), Log: code.String(), Codespace: space(code), GasWanted: 1}, nil
}

// PrepareProposal leaves out what would be voted against.
func (a *Application) PrepareProposal(
	_ context.Context, request *abci.RequestPrepareProposal,
) (*abci.ResponsePrepareProposal, error) {
	kept := make([][]byte, 0, len(request.Txs))
	inBlock := make(map[ID]struct{}, len(request.Txs))
	for _, raw := range request.Txs {
		found, code := a.admit(raw)
		if _, twice := inBlock[found.ID]; code != OK || twice {
			continue
		}
		inBlock[found.ID] = struct{}{}
		kept = append(kept, raw)
	}
	return &abci.ResponsePrepareProposal{Txs: kept}, nil
}

// ProcessProposal accepts a proposal in which every transaction may be executed.
func (a *Application) ProcessProposal(
	_ context.Context, request *abci.RequestProcessProposal,
) (*abci.ResponseProcessProposal, error) {
	inBlock := make(map[ID]struct{}, len(request.Txs))
	for _, raw := range request.Txs {
		found, code := a.admit(raw)
		if _, twice := inBlock[found.ID]; code != OK || twice {
			return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
		}
		inBlock[found.ID] = struct{}{}
	}
	return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_ACCEPT}, nil
}

// FinalizeBlock executes a decided block.
func (a *Application) FinalizeBlock(
	_ context.Context, request *abci.RequestFinalizeBlock,
) (*abci.ResponseFinalizeBlock, error) {
	found := make([]Transaction, len(request.Txs))
	codes := make([]Code, len(request.Txs))
	for at, raw := range request.Txs { // signatures before the lock: CheckTx goes on meanwhile
		found[at], codes[at] = a.admit(raw)
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	results := make([]*abci.ExecTxResult, len(request.Txs))
	a.state.Begin(request.Height)
	for at := range found {
		if codes[at] == OK && a.state.Seen(found[at].ID) { // twice in this block
			codes[at] = Duplicate
		}
		if codes[at] == OK {
			codes[at] = a.state.Execute(found[at])
			a.verified.forget(found[at].ID)
		}
		code := codes[at]
		results[at] = &abci.ExecTxResult{Code: uint32(code), Log: code.String(), Codespace: space(code), GasUsed: 1}
	}
	return &abci.ResponseFinalizeBlock{TxResults: results, AppHash: a.state.End(len(results))}, nil
}

// admit decodes a transaction and tells whether it may be executed: well formed, not executed before, signed.
func (a *Application) admit(raw []byte) (Transaction, Code) {
	found, ok := Decode(raw)
	if !ok {
		return found, Malformed
	}
	a.lock.RLock()
	seen, domain := a.state.Seen(found.ID), a.domain
	a.lock.RUnlock()
	if seen {
		return found, Duplicate
	}
	if a.verified.has(found.ID) {
		return found, OK
	}
	if !found.Verify(domain) {
		return found, BadSignature
	}
	a.verified.add(found.ID)
	return found, OK
}

func space(code Code) string {
	if code == OK {
		return ""
	}
	return codespace
}
