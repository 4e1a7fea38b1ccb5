package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// maxIdlePerHost is how many connections to the target are kept: there is only
// one target, and net/http's own 2 would dial for nearly every request.
const maxIdlePerHost = 256

// newProxy returns a reverse proxy to http://…, https://… or unix:/path.
func newProxy(target string) (http.Handler, error) {
	to, socket, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: maxIdlePerHost,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true, // what the client accepts is for the client to say
	}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // at once: event streams and long answers
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			// A program behind its own front end sees the host that the client
			// asked for; a server elsewhere has a name of its own.
			if to.Scheme == "http" {
				r.Out.Host = r.In.Host
			}
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				slog.Warn("proxy request", "target", target, "err", err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}, nil
}

// parseTarget returns the URL to send requests to, and the path of the unix
// socket to send them through, if there is one.
func parseTarget(target string) (*url.URL, string, error) {
	if socket, ok := strings.CutPrefix(target, "unix:"); ok {
		if socket == "" {
			return nil, "", fmt.Errorf("proxy to %q: unix: without a path", target)
		}
		return &url.URL{Scheme: "http", Host: "localhost"}, socket, nil
	}
	to, err := url.Parse(target)
	if err != nil {
		return nil, "", fmt.Errorf("proxy to %q: %v", target, err)
	}
	if (to.Scheme != "http" && to.Scheme != "https") || to.Host == "" {
		return nil, "", fmt.Errorf("proxy to %q: neither http://host:port, https://host nor unix:/path", target)
	}
	return to, "", nil
}
