package master

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"example.com/handover/supervisor/page"
)

const (
	// pageWait is how long a page waits for a master that begins in place of a
	// killed one; then it shows that it does.
	pageWait = time.Second
	// viewerLimit is how long a viewer may take to read what has changed.
	viewerLimit = 5 * time.Second
)

// pages answers those who look at the status page. The loop makes what they see.
type pages struct {
	admin  *admin
	log    *slog.Logger
	places chan struct{} // one for each that follows, taken before the loop is asked: it may hang
	once   func(context.Context) (*page.View, error)
	live   func(context.Context) (<-chan *page.View, error)
}

// servePage adds the status page to the admin address.
func (m *master) servePage(a *admin) {
	p := &pages{
		admin: a, log: m.log, places: make(chan struct{}, mostViewers),
		once: func(ctx context.Context) (*page.View, error) {
			return call(ctx, m, func() (*page.View, error) { return m.seek(time.Now()), nil })
		},
		live: func(ctx context.Context) (<-chan *page.View, error) {
			return call(ctx, m, func() (<-chan *page.View, error) { return m.attendPage(ctx, time.Now()), nil })
		},
	}
	a.mux.HandleFunc("GET /{$}", p.show)
	a.mux.HandleFunc("GET "+page.Events, p.follow)
	a.mux.HandleFunc("GET "+page.Assets+"{name}", p.asset)
}

// await waits until it is known what older generations have done, but not for ever.
func (p *pages) await(ctx context.Context) {
	wait := time.NewTimer(pageWait)
	defer wait.Stop()
	select {
	case <-p.admin.oriented:
	case <-wait.C:
	case <-ctx.Done():
	}
}

// show answers with the page as it is now, or as the master knew it when it left.
func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
	defer cancel()
	p.await(ctx)
	v, err := p.once(ctx)
	if last := p.admin.last.Load(); err != nil && last != nil {
		v, err = page.Of(last, time.Now()), nil
	}
	maps.Copy(w.Header(), page.Header())
	if err != nil {
		say(w, err.Error())
		return
	}
	var text bytes.Buffer
	if err := page.Write(&text, v); err != nil {
		p.log.Error("status page not shown", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", page.ContentType)
	_, _ = w.Write(text.Bytes())
}

// follow sends what changes for as long as somebody reads. The end of the stream
// has a browser come back, to the successor if this master has handed over.
func (p *pages) follow(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), page.Header())
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	default:
		w.Header().Set("Retry-After", "30")
		say(w, "too many follow this page already: load it again to see what is new")
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.admin.leaving, cancel)()
	p.await(ctx)
	views, err := p.live(ctx)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep what is sent until there is much of it
	out := http.NewResponseController(w)
	_, _ = io.WriteString(w, page.Greeting)
	stream := page.NewStream(w)
	for err == nil && r.Method == http.MethodGet {
		_ = out.SetWriteDeadline(time.Now().Add(viewerLimit))
		if err = out.Flush(); err != nil {
			return
		}
		select {
		case v := <-views:
			err = stream.Send(v)
		case <-ctx.Done():
			return
		}
	}
}

// asset answers with a part of the page that does not change while it is called so.
func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	a, found := page.Find(r.PathValue("name"))
	if !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	maps.Copy(h, page.Header())
	h.Set("Content-Type", a.Type)
	if a.Current {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.Content)
}
