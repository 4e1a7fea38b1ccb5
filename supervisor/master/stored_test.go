package master

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"example.com/handover/supervisor/config"
	"github.com/cloudflare/tableflip"
)

func TestAStartThatFailsLeavesThePathOfAStoredSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept, own := filepath.Join(dir, "kept.sock"), filepath.Join(dir, "own.sock")
	boundUnix(t, own)
	name := listenName("unix:" + kept)
	m := &master{
		hold:   &holding{upgrader: &tableflip.Upgrader{}, files: map[string]*os.File{name: boundUnix(t, kept)}},
		config: &config.Config{Listen: []config.Listen{{Address: "unix:" + kept}, {Address: "unix:" + own}}, Control: config.Control{Socket: filepath.Join(dir, "control")}},
	}
	m.judgeStored()
	m.created = append(m.created, own)
	m.removeCreated()
	if _, err := os.Lstat(own); !os.IsNotExist(err) {
		t.Errorf("a socket of its own: got %v, want its path removed", err)
	}
	client, err := net.Dial("unix", kept)
	if err != nil {
		t.Fatalf("a socket that is stored: got %v, want one to wait in", err)
	}
	_ = client.Close()
}
