package integration

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// uploadSize is large enough to be on its way while generations come and go, and
// beyond every buffer and window.
const uploadSize = 200 << 20

// upload is the content of one, and what the program must answer to it.
func upload(t *testing.T) (body []byte, want string) {
	t.Helper()
	body = make([]byte, uploadSize)
	if _, err := io.ReadFull(rand.NewChaCha8([32]byte{1}), body); err != nil {
		t.Fatal(err)
	}
	return body, fmt.Sprintf("%d %x", len(body), sha256.Sum256(body))
}

// crossed requires an upload to have been answered by the generation that took it,
// while another one served everybody else.
func crossed(t *testing.T, i *harness.Instance, a harness.Answer, err error, want string) {
	t.Helper()
	if err != nil || string(a.Body) != want {
		t.Errorf("upload: %q, %v; want %q", a.Body, err, want)
	}
	if got, err := i.Get("/generation"); err != nil || string(got.Body) != "3" {
		t.Errorf("a new client: generation %q, %v; want 3", got.Body, err)
	}
	i.Until(t, "settled", within, harness.Settled)
}

func TestAnUploadOf200MBCrossesReloadsAndComparesEqual(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	body, want := upload(t)
	load := i.Load(t, harness.Load{New: 1, Kept: 1, H2: 1, Think: 10 * time.Millisecond, Rest: 10 * time.Millisecond})
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Write(fmt.Appendf(nil, "POST /sum HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", harness.Name, len(body))); err != nil {
		t.Fatal(err)
	}
	const parts = 4
	for n := range parts {
		if n == 1 || n == 2 {
			renew(t, i)
		}
		if err := c.Write(body[n*len(body)/parts : (n+1)*len(body)/parts]); err != nil {
			t.Fatalf("part %d of %d: %v", n+1, parts, err)
		}
	}
	a, err := c.Receive("POST")
	crossed(t, i, a, err, want)
	load.Stop().NothingLost(t)
}

func TestAnUploadOf200MBOverHTTP2CrossesReloadsAndComparesEqual(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	body, want := upload(t)
	c, err := i.DialH2()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pieces := 0
	a, err := c.Do("POST", "/sum", body, func() {
		if pieces++; pieces == 10_000 || pieces == 20_000 {
			renew(t, i)
		}
	})
	crossed(t, i, a, err, want)
	if len(c.GoAways) == 0 || c.GoAways[0] != 1<<31-1 {
		t.Errorf("GOAWAY %v, want 2147483647 first", c.GoAways)
	}
}
