package bench

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// object is one of JSON.
type object = map[string]any

// startCaddy starts caddy on a config in its own language, which names each
// pair. It is one process.
func startCaddy(t testing.TB, setup Setup) *Server {
	t.Helper()
	program, address, admin, folder := look(t, "caddy"), harness.FreeAddress(t), harness.FreeAddress(t), harness.Folder(t)
	text, err := json.Marshal(caddyConfig(setup, address, admin))
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, folder, "caddy.json", string(text))
	env := []string{"HOME=" + folder, "XDG_CONFIG_HOME=" + folder, "XDG_DATA_HOME=" + folder}
	b := harness.StartBackground(t, folder, env, program, "run", "--config", file)
	// Without --force it finds its config unchanged, and keeps its certificates.
	r := &commands{t: t, env: env, argv: []string{program, "reload", "--config", file, "--address", admin, "--force"}}
	t.Cleanup(r.all.Wait)
	return &Server{
		Addr:      address,
		Main:      func() int { return b.Pid },
		Workers:   func() []harness.Process { return lone(b.Pid) },
		Processes: b.Processes,
		Reload:    r.start,
		Settled:   r.settled,
		until:     b.Until,
	}
}

func caddyConfig(setup Setup, address, admin string) object {
	var pairs []object
	for n := range setup.Sites {
		certfile, keyfile := setup.site(n)
		pairs = append(pairs, object{"certificate": certfile, "key": keyfile})
	}
	return object{
		"admin":   object{"listen": admin, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "WARN"}}},
		"apps": object{
			"tls": object{"certificates": object{"load_files": pairs}},
			"http": object{"servers": object{"site": object{
				"listen":                  []string{address},
				"protocols":               []string{"h1", "h2"},
				"automatic_https":         object{"disable": true},
				"tls_connection_policies": []object{{}},
				"routes": []object{{"handle": []object{{
					"handler": "static_response", "status_code": 200, "body": "ok\n",
					"headers": object{"Content-Type": []string{"text/plain"}},
				}}}},
			}}},
		},
	}
}

// commands are those that ask for a reload, each a process that ends when it is
// done. Any goroutine may use it.
type commands struct {
	t    testing.TB
	env  []string
	argv []string
	all  sync.WaitGroup

	mu      sync.Mutex // guards the rest
	running int
	err     error
}

// start returns when the command has been started.
func (c *commands) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := harness.Launch(harness.Folder(c.t), c.env, c.argv...)
	if err != nil {
		return err
	}
	c.running++
	c.all.Go(func() {
		code, err := b.WaitExit(3 * time.Minute)
		if err == nil {
			err = harness.Unless(code == 0, "%q: exit %d\n%s", filepath.Base(c.argv[0]), code, b.Output())
		}
		err = errors.Join(err, b.End())
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
		c.err = errors.Join(c.err, err)
	})
	return nil
}

func (c *commands) settled() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return harness.Unless(c.running == 0, "%d commands run", c.running)
}
