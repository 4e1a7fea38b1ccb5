package worker

import (
	"os"
	"sync"

	"example.com/handover/worker/wire"
)

// order is what the master wants of a rotation.
type order struct {
	wire.Message
	bundle *os.File // came along with Prepare; nil: none
}

func (o order) close() {
	if o.bundle != nil {
		_ = o.bundle.Close()
	}
}

// orders keeps them in their sequence until the worker gets to them. Whoever
// hears them does not wait: a quit must not queue behind the parsing of a bundle,
// nor behind a program that takes long to start.
type orders struct {
	mu   sync.Mutex
	list []order
	more chan struct{} // holds a token when there may be some; one reader
}

func newOrders() *orders { return &orders{more: make(chan struct{}, 1)} }

func (o *orders) put(one order) {
	o.mu.Lock()
	o.list = append(o.list, one)
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// take waits until there are some and returns them all.
func (o *orders) take() []order {
	<-o.more
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}
