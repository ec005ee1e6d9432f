package ledger

import "sync"

const generation = 100_000

// verified remembers whose signature was checked, so that a node checks each once and not in CheckTx, in the proposal and
// in the block again. Ids are hashes of all bytes, signature included, so nothing unsigned can pass for one. It holds at
// most two generations; what is forgotten is verified again.
type verified struct {
	lock     sync.Mutex
	new, old map[ID]struct{}
}

func newVerified() *verified {
	return &verified{new: map[ID]struct{}{}, old: map[ID]struct{}{}}
}

func (v *verified) has(id ID) bool {
	v.lock.Lock()
	defer v.lock.Unlock()
	_, inNew := v.new[id]
	_, inOld := v.old[id]
	return inNew || inOld
}

func (v *verified) add(id ID) {
	v.lock.Lock()
	defer v.lock.Unlock()
	if len(v.new) >= generation {
		v.old, v.new = v.new, make(map[ID]struct{}, generation)
	}
	v.new[id] = struct{}{}
}

func (v *verified) forget(id ID) {
	v.lock.Lock()
	defer v.lock.Unlock()
	delete(v.new, id)
	delete(v.old, id)
}
