package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
)

const chain = "test-chain"

type sender struct {
	key   ed25519.PrivateKey
	count uint64
}

func person(number byte) *sender {
	return &sender{key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{number}, 32))}
}

func (s *sender) public() []byte { return s.key.Public().(ed25519.PublicKey) }

func (s *sender) address() Address { return Transaction{Key: s.public()}.Sender() }

func (s *sender) sign(operation Operation, parts ...any) []byte {
	return s.signFor(chain, operation, parts...)
}

func (s *sender) signFor(chainID string, operation Operation, parts ...any) []byte {
	s.count++
	raw := append([]byte{Version, byte(operation)}, s.public()...)
	raw = binary.BigEndian.AppendUint64(raw, 7)
	raw = binary.BigEndian.AppendUint64(raw, s.count)
	for _, part := range parts {
		switch value := part.(type) {
		case int:
			raw = binary.BigEndian.AppendUint64(raw, uint64(int64(value)))
		case Address:
			raw = append(raw, value[:]...)
		case []byte:
			raw = append(raw, value...)
		}
	}
	return append(raw, ed25519.Sign(s.key, append(Domain(chainID), raw...))...)
}

func fresh(t *testing.T, treasury *sender) *Application {
	t.Helper()
	app := NewApplication()
	state := fmt.Sprintf(`{"treasury": "%s", "supply": 1000}`, hex.EncodeToString(treasury.public()))
	if _, err := app.InitChain(context.Background(), &abci.RequestInitChain{ChainId: chain, AppStateBytes: []byte(state)}); err != nil {
		t.Fatal(err)
	}
	return app
}

func block(t *testing.T, app *Application, raws ...[]byte) ([]Code, []byte) {
	t.Helper()
	request := &abci.RequestFinalizeBlock{Height: app.state.height + 1, Txs: raws}
	answer, err := app.FinalizeBlock(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	codes := make([]Code, len(raws))
	for at, result := range answer.TxResults {
		codes[at] = Code(result.Code)
	}
	return codes, answer.AppHash
}

func check(t *testing.T, app *Application, raw []byte) Code {
	t.Helper()
	answer, err := app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw})
	if err != nil {
		t.Fatal(err)
	}
	return Code(answer.Code)
}

func number(t *testing.T, app *Application, path string, data []byte) int64 {
	t.Helper()
	answer, err := app.Query(context.Background(), &abci.RequestQuery{Path: path, Data: data})
	if err != nil || answer.Code != 0 || len(answer.Value) != 8 {
		t.Fatalf("%s: %v %v", path, answer, err)
	}
	return int64(binary.BigEndian.Uint64(answer.Value))
}

func expect(t *testing.T, got, wanted any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Fatalf("got %v, wanted %v", got, wanted)
	}
}

func u64(values ...int) []byte {
	var data []byte
	for _, value := range values {
		data = binary.BigEndian.AppendUint64(data, uint64(value))
	}
	return data
}

func TestMoneyMovesAndIsConserved(t *testing.T) {
	rich, poor := person(1), person(2)
	app := fresh(t, rich)
	codes, _ := block(t, app,
		rich.sign(Transfer, poor.address(), 400),
		poor.sign(Transfer, rich.address(), 401),
		poor.sign(Transfer, poor.address(), 400),
		rich.sign(Fund, poor.address(), 300, person(3).address(), 301),
		rich.sign(Fund, poor.address(), 1, person(3).address(), 2))
	expect(t, codes, []Code{OK, InsufficientFunds, OK, InsufficientFunds, OK})
	one, two, three := rich.address(), poor.address(), person(3).address()
	expect(t, number(t, app, "/balance", one[:]), 597)
	expect(t, number(t, app, "/balances", append(append(append([]byte{}, one[:]...), two[:]...), three[:]...)), 1000)
	expect(t, number(t, app, "/executed", u64(7)), 5)
}

func TestADocumentIsAnchoredOnce(t *testing.T) {
	who := person(1)
	app := fresh(t, who)
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	block(t, app)
	codes, _ := block(t, app, who.sign(Anchor, first), who.sign(Anchor, first))
	expect(t, codes, []Code{OK, AlreadyAnchored})
	expect(t, number(t, app, "/verify", first), 2)
	expect(t, number(t, app, "/verify", second), 0)
	expect(t, number(t, app, "/missing", append(append([]byte{}, first...), second...)), 1)
}

func TestKeysHoldTheirLastValue(t *testing.T) {
	who := person(1)
	app := fresh(t, who)
	block(t, app, who.sign(Set, []byte("\x00\x03keyone")), who.sign(Set, []byte("\x00\x03keytwo")))
	answer, _ := app.Query(context.Background(), &abci.RequestQuery{Path: "/get", Data: []byte("key")})
	expect(t, string(answer.Value), "two")
}

func TestTheBankRefusesAndCountsAsTheContractDoes(t *testing.T) {
	who := person(1)
	app := fresh(t, who)
	cases := []struct {
		raw        []byte
		code       Code
		zero, one  int
		penaltySum int
	}{
		{who.sign(DepositChecking, 0, 1), UnknownCustomer, -1, -1, 0},
		{who.sign(OpenCustomers, 1, 1, 100, 10), OutOfOrder, -1, -1, 0},
		{who.sign(OpenCustomers, 0, 2, 100, 10), OK, 110, 110, 0},
		{who.sign(OpenCustomers, 0, 2, 9, 9), OK, 110, 110, 0},
		{who.sign(DepositChecking, 0, 5), OK, 115, 110, 0},
		{who.sign(SendPayment, 0, 1, 106), InsufficientFunds, 115, 110, 0},
		{who.sign(SendPayment, 0, 2, 1), UnknownCustomer, 115, 110, 0},
		{who.sign(SendPayment, 0, 1, 105), OK, 10, 215, 0},
		{who.sign(TransactSavings, 0, -11), InsufficientFunds, 10, 215, 0},
		{who.sign(TransactSavings, 0, -10), OK, 0, 215, 0},
		{who.sign(WriteCheck, 0, 1), OK, -2, 215, 1},
		{who.sign(Amalgamate, 1, 0), OK, 213, 0, 1},
		{who.sign(Amalgamate, 0, 0), OK, 213, 0, 1},
	}
	for at, each := range cases {
		codes, _ := block(t, app, each.raw)
		if codes[0] != each.code {
			t.Fatalf("case %d: got %v, wanted %v", at, codes[0], each.code)
		}
		if each.zero != -1 {
			expect(t, number(t, app, "/smallbank/balance", u64(0)), each.zero)
			expect(t, number(t, app, "/smallbank/total", u64(0, 2)), each.zero+each.one)
		}
		expect(t, number(t, app, "/smallbank/penalties", nil), each.penaltySum)
	}
	codes, _ := block(t, app, who.sign(TransactSavings, 0, 1<<63-1), who.sign(TransactSavings, 0, 1))
	expect(t, codes, []Code{OK, Overflow})
}

func TestOnlyWhatItsSenderSignedForThisChainIsAdmitted(t *testing.T) {
	rich, other := person(1), person(2)
	app := fresh(t, rich)
	good := rich.sign(Transfer, other.address(), 1)
	expect(t, check(t, app, good), OK)
	for at := range good { // whatever byte is changed
		spoilt := append([]byte{}, good...)
		spoilt[at] ^= 1
		if code := check(t, app, spoilt); code != BadSignature && code != Malformed {
			t.Fatalf("byte %d: %v", at, code)
		}
	}
	expect(t, check(t, app, rich.signFor("another", Transfer, other.address(), 1)), BadSignature)
	for _, raw := range [][]byte{
		nil, good[:len(good)-1], append(append([]byte{}, good...), 0), rich.sign(Operation(99)), rich.sign(Fund),
		rich.sign(Transfer, other.address(), -1), rich.sign(SendPayment, 0, 1, -1), rich.sign(Set, []byte("\x00\x09short")),
		rich.sign(OpenCustomers, 0, maxOpened+1, 0, 0),
	} {
		expect(t, check(t, app, raw), Malformed)
	}
}

func TestTheSameBytesAreExecutedOnceWhateverTheMempoolForgot(t *testing.T) {
	rich := person(1)
	app := fresh(t, rich)
	raw := rich.sign(Transfer, person(2).address(), 1)
	codes, _ := block(t, app, raw, raw)
	expect(t, codes, []Code{OK, Duplicate})
	codes, _ = block(t, app, raw)
	expect(t, codes, []Code{Duplicate})
	expect(t, check(t, app, raw), Duplicate)
	expect(t, number(t, app, "/executed", u64(7)), 1)
}

func TestABadTransactionIsNeitherProposedNorVotedForNorExecuted(t *testing.T) {
	rich := person(1)
	app := fresh(t, rich)
	good, forged := rich.sign(Transfer, person(2).address(), 1), rich.signFor("another", Transfer, person(2).address(), 1)
	proposal, err := app.PrepareProposal(context.Background(), &abci.RequestPrepareProposal{Txs: [][]byte{good, forged, good, nil}})
	expect(t, err, nil)
	expect(t, proposal.Txs, [][]byte{good})
	for _, each := range []struct {
		raws   [][]byte
		status abci.ResponseProcessProposal_ProposalStatus
	}{
		{[][]byte{good}, abci.ResponseProcessProposal_ACCEPT},
		{nil, abci.ResponseProcessProposal_ACCEPT},
		{[][]byte{good, good}, abci.ResponseProcessProposal_REJECT},
		{[][]byte{forged}, abci.ResponseProcessProposal_REJECT},
		{[][]byte{good, {1}}, abci.ResponseProcessProposal_REJECT},
	} {
		vote, err := app.ProcessProposal(context.Background(), &abci.RequestProcessProposal{Txs: each.raws})
		expect(t, err, nil)
		expect(t, vote.Status, each.status)
	}
	codes, _ := block(t, app, forged, []byte{1}, good)
	expect(t, codes, []Code{BadSignature, Malformed, OK})
}

func TestTheHashFollowsFromTheBlocksAlone(t *testing.T) {
	blocks := func() ([][]byte, []byte) {
		rich := person(1)
		app := fresh(t, rich)
		first, _ := app.Info(context.Background(), nil)
		_, one := block(t, app, rich.sign(Transfer, person(2).address(), 1))
		_, empty := block(t, app)
		_, two := block(t, app, rich.sign(Transfer, person(2).address(), 10_000), rich.sign(OpenCustomers, 0, 1, 5, 5))
		return [][]byte{first.LastBlockAppHash, one, two}, empty
	}
	hashes, empty := blocks()
	again, _ := blocks()
	expect(t, hashes, again)
	expect(t, empty, hashes[1])
	expect(t, bytes.Equal(hashes[0], hashes[1]) || bytes.Equal(hashes[1], hashes[2]), false)
}

func TestVerifiedForgetsTheOldestFirst(t *testing.T) {
	known := newVerified()
	id := func(number int) (made ID) {
		binary.BigEndian.PutUint64(made[:], uint64(number))
		return made
	}
	for number := range 2*generation + 1 {
		known.add(id(number))
	}
	expect(t, []bool{known.has(id(0)), known.has(id(generation)), known.has(id(2 * generation))}, []bool{false, true, true})
	known.forget(id(generation))
	expect(t, known.has(id(generation)), false)
}

func TestQueriesOfWrongSizesAreRefused(t *testing.T) {
	app := fresh(t, person(1))
	for path, data := range map[string][]byte{
		"/balance": {1}, "/balances": nil, "/executed": {1, 2}, "/verify": {}, "/missing": {3},
		"/smallbank/balance": {4}, "/smallbank/total": u64(1), "/nothing": nil,
	} {
		answer, err := app.Query(context.Background(), &abci.RequestQuery{Path: path, Data: data})
		expect(t, err, nil)
		expect(t, Code(answer.Code), Malformed)
	}
	answer, _ := app.Query(context.Background(), &abci.RequestQuery{Path: "/smallbank/total", Data: u64(0, 1)})
	expect(t, Code(answer.Code), UnknownCustomer)
}

func BenchmarkCheckTx(b *testing.B) {
	rich := person(1)
	app := NewApplication()
	app.domain = Domain(chain)
	raws := make([][]byte, b.N)
	for at := range raws {
		raws[at] = rich.sign(Transfer, person(2).address(), 1)
	}
	b.ResetTimer()
	for _, raw := range raws {
		app.admit(raw)
	}
}
