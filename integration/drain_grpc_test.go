package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// dialTalk makes a client that does not try again: what is lost is seen.
func dialTalk(t *testing.T, i *harness.Instance) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+i.Addr, grpc.WithDisableRetry(),
		grpc.WithTransportCredentials(credentials.NewTLS(i.Certs.Trust("h2"))))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// echo calls once.
func echo(c *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	body, back := harness.Body(), new(wrapperspb.BytesValue)
	if err := c.Invoke(ctx, "/talk.Talk/Echo", wrapperspb.Bytes(body), back); err != nil {
		return err
	}
	return harness.Unless(bytes.Equal(back.Value, body), "%d bytes came back for %d, or others", len(back.Value), len(body))
}

// calls is a load of calls, over one connection that is kept and over new ones.
type calls struct {
	clients  sync.WaitGroup
	quit     chan struct{}
	answered atomic.Int64
	mu       sync.Mutex
	lost     []error
}

func callAll(t *testing.T, i *harness.Instance) *calls {
	t.Helper()
	l := &calls{quit: make(chan struct{})}
	kept := dialTalk(t, i)
	t.Cleanup(func() { _ = kept.Close() })
	for range 4 {
		l.clients.Go(func() { l.call(func() error { return echo(kept) }) })
	}
	l.clients.Go(func() {
		l.call(func() error {
			c := dialTalk(t, i)
			return errors.Join(echo(c), c.Close())
		})
	})
	l.more(t)
	return l
}

func (l *calls) call(once func() error) {
	for {
		select {
		case <-l.quit:
			return
		default:
		}
		if err := once(); err != nil {
			l.mu.Lock()
			l.lost = append(l.lost, err)
			l.mu.Unlock()
			return
		}
		l.answered.Add(1)
	}
}

// more waits for more answers, so that the load is known to run.
func (l *calls) more(t *testing.T) {
	t.Helper()
	want := l.answered.Load() + 100
	harness.Until(t, "more answers", within, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		got := l.answered.Load()
		return harness.Unless(got >= want || len(l.lost) > 0, "%d of %d", got, want)
	})
}

func (l *calls) nothingLost(t *testing.T) {
	t.Helper()
	close(l.quit)
	l.clients.Wait()
	t.Logf("%d calls, %d lost", l.answered.Load(), len(l.lost))
	for _, err := range l.lost {
		t.Errorf("lost: %v", err)
	}
}

// holdTalk opens a stream in both directions.
func holdTalk(t *testing.T, i *harness.Instance) (h *held, end func() error) {
	t.Helper()
	c := dialTalk(t, i)
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/talk.Talk/Talk")
	if err != nil {
		t.Fatal(err)
	}
	h = &held{kind: "gRPC stream", hang: func() {
		cancel()
		_ = c.Close()
	}}
	h.say = func(line string) error { return stream.SendMsg(wrapperspb.Bytes([]byte(line))) }
	ended := make(chan error, 1)
	h.listen(t, func() (string, error) {
		words := new(wrapperspb.BytesValue)
		err := stream.RecvMsg(words)
		if err != nil {
			ended <- err
		}
		return string(words.Value), err
	})
	h.lives(t, "before")
	return h, func() error { return <-ended }
}

// talking starts the gRPC program.
func talking(t *testing.T, graceful string) *harness.Instance {
	t.Helper()
	return harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: graceful, Command: []string{harness.Program(t, "talk")}})
}

func TestGRPCCallsAndStreamsCrossReloads(t *testing.T) {
	t.Parallel()
	i := talking(t, "5m")
	load := callAll(t, i)
	h, ended := holdTalk(t, i)
	renew(t, i)
	h.hears(t, "draining")
	h.lives(t, "after the first reload")
	renew(t, i)
	load.more(t)
	h.lives(t, "after the second reload")
	h.hang()
	if err := ended(); status.Code(err) != codes.Canceled {
		t.Errorf("stream that its client ended: %v, want %v", err, codes.Canceled)
	}
	renew(t, i)
	load.more(t)
	load.nothingLost(t)
	i.Until(t, "settled", within, harness.Settled)
}

func TestAGRPCStreamIsCutAtTheGracefulTimeoutAndNotBefore(t *testing.T) {
	t.Parallel()
	const graceful = 2 * time.Second
	i := talking(t, graceful.String())
	h, ended := holdTalk(t, i)
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	if lived := h.ends(t).Sub(asked); lived < graceful {
		t.Errorf("stream ended %v after the reload was asked for, want at least %v", lived, graceful)
	}
	if err := ended(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream at graceful_timeout: %v, want %v", err, codes.Unavailable)
	}
	i.Until(t, "settled", within, harness.Settled)
}

func TestAGRPCWorkerWithoutStreamsGoesAtOnce(t *testing.T) {
	t.Parallel()
	i := talking(t, "5m")
	c := dialTalk(t, i)
	defer func() { _ = c.Close() }()
	if err := echo(c); err != nil {
		t.Fatal(fmt.Errorf("echo: %w", err))
	}
	old := i.Until(t, "worker", within, harness.Settled).Workers[0].Pid
	renew(t, i)
	harness.Until(t, "old worker gone", within, func() error { return harness.Unless(!harness.Alive(old), "%d lives", old) })
	if err := echo(c); err != nil {
		t.Errorf("echo after the reload: %v", err)
	}
}
