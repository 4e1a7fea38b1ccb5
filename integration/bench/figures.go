package bench

import (
	"fmt"
	"slices"
)

// entry is a figure of the sheet, by the key that measurements know it by.
type entry struct {
	key string
	Figure
}

// sheet is every figure in the order of the report, with what is wanted of Handover.
func sheet(counts []int) []entry {
	return slices.Concat(ofReloads(2), ofReloads(16), ofLosses(), ofThroughput(), ofLatency(), ofRecovery(), ofMany(counts), ofMemory(), ofTheRest())
}

func ofReloads(workers int) []entry {
	section := fmt.Sprintf("Reload under 500 new connections a second, %d workers", workers)
	named := func(name string) string { return fmt.Sprintf("%s, %d workers", name, workers) }
	first := Figure{Name: named("signal to first new certificate"), Section: section, Unit: "ms", Against: "nginx", OfRatio: true}
	started := Figure{Name: named("signal to first new ÷ start of one Go worker under the same probes"), Section: section}
	mixed := Figure{Name: named("old and new mixed"), Section: section, Unit: "ms", Against: "nginx"}
	if workers == 2 {
		first.Goal, first.Bound = "≤ 0.5 × nginx", 0.5
		started.Goal, started.Bound = "≤ 5", 5
		mixed.Goal, mixed.Bound = "≤ 2 ms", 2
	} else {
		first.Goal, first.Bound = "≤ 1 × nginx", 1
	}
	return []entry{
		{named("first new"), first},
		{named("last old"), Figure{Name: named("signal to last old certificate"), Section: section, Unit: "ms", Against: "nginx"}},
		{named("mixed"), mixed},
		{named("failed"), Figure{Name: named("connections that failed in a reload"), Section: section}},
		{named("one worker"), Figure{Name: named("start of one Go worker to first handshake"), Section: section, Unit: "ms"}},
		{named("one worker, probes"), Figure{Name: named("the same under the same probes"), Section: section, Unit: "ms"}},
		{named("first new of workers"), started},
	}
}

func ofLosses() []entry {
	const section = "Requests lost over reloads at full load"
	return []entry{
		{"lost new", Figure{Name: "requests lost over all reloads, a connection each", Section: section, Goal: "0", Every: true}},
		{"lost kept", Figure{Name: "requests lost over all reloads, kept connections", Section: section, Goal: "0", Every: true}},
		{"asked new", Figure{Name: "answered meanwhile, a connection each", Section: section, More: true}},
		{"asked kept", Figure{Name: "answered meanwhile, kept connections", Section: section, More: true}},
		{"reloads", Figure{Name: "reloads meanwhile", Section: section, More: true}},
		{"clean", Figure{Name: "kept connections closed between requests", Section: section}},
		{"announced", Figure{Name: "kept connections closed as announced", Section: section}},
	}
}

func ofThroughput() []entry {
	const section = "Throughput, full handshakes, 2 workers, clients on the same cores"
	rate := func(key, name, goal string, bound float64) []entry {
		return []entry{
			{key, Figure{Name: name, Section: section, Unit: "1/s", Against: "net/http", More: true, Goal: goal, Bound: bound, OfRatio: true}},
			{key + " CPU", Figure{Name: "CPU of the server for each: " + name, Section: section, Unit: "µs", Against: "net/http"}},
		}
	}
	return slices.Concat(
		rate("new", "new connections, one request each", "≥ 1.05 × net/http", 1.05),
		rate("kept", "keep-alive requests, HTTP/1.1", "≥ 1 × net/http", 1),
		rate("h2", "requests, HTTP/2, 8 streams a connection", "≥ 1 × net/http", 1),
	)
}

func ofLatency() []entry {
	var list []entry
	for _, kind := range kinds {
		section := "Latency in the second around a reload, " + kind
		for _, when := range []string{"quiet", "reload"} {
			for _, q := range quantiles {
				name := fmt.Sprintf("%s, %s, %s second", q.name, kind, when)
				list = append(list, entry{key(kind, when, q.name), Figure{Name: name, Section: section, Unit: "ms"}})
			}
		}
		list = append(list, entry{key(kind, "ratio"), Figure{
			Name: "p99.9 around a reload ÷ quiet, " + kind, Section: section, Goal: "≤ 1.5", Bound: 1.5,
		}})
	}
	return list
}

func ofRecovery() []entry {
	const section = "Recovery from kill -9"
	return []entry{
		{"worker failed", Figure{Name: "requests that failed after the kill of a worker", Section: section}},
		{"worker refused", Figure{Name: "connections refused after the kill of a worker", Section: section}},
		{"worker back", Figure{Name: "kill of a worker to all workers there", Section: section, Unit: "ms"}},
		{"main refused", Figure{Name: "connections refused after the kill of the master", Section: section, Goal: "0", Every: true}},
		{"main failed", Figure{Name: "new connections that failed, of 100, in the second after the kill of the master", Section: section}},
		{"main back", Figure{Name: "kill of the master to the next generation ready", Section: section, Unit: "ms", Goal: "≤ 25 ms", Bound: 25}},
	}
}

func ofMany(counts []int) []entry {
	var list []entry
	for _, n := range counts {
		section := fmt.Sprintf("Certificates: %d", n)
		one := Figure{Name: fmt.Sprintf("one of %d certificates changed, signal to new", n), Section: section, Unit: "ms", Against: "nginx", OfRatio: true}
		all := Figure{Name: fmt.Sprintf("all of %d certificates changed, signal to new", n), Section: section, Unit: "ms", Against: "nginx", OfRatio: true}
		peak := Figure{Name: fmt.Sprintf("peak PSS in a reload of %d certificates", n), Section: section, Unit: "MB", Against: "nginx"}
		if n == 5000 {
			one.Goal, one.Bound = "≤ 0.03 × nginx", 0.03
			all.Goal, all.Bound = "≤ 0.1 × nginx", 0.1
			peak.Goal, peak.Bound = "≤ 90 MB", 90
		}
		list = append(list,
			entry{key("one", n), one}, entry{key("all", n), all},
			entry{key("idle", n), Figure{Name: fmt.Sprintf("idle PSS with %d", n), Section: section, Unit: "MB", Against: "nginx"}},
			entry{key("peak", n), peak})
	}
	return list
}

func ofMemory() []entry {
	const section = "Idle memory, PSS of all processes"
	return []entry{
		{"memory", Figure{Name: "idle PSS, 2 workers", Section: section, Unit: "MB", Against: "nginx", Goal: "≤ 12 MB", Bound: 12}},
		{"memory worker", Figure{Name: "idle PSS, each further worker", Section: section, Unit: "MB", Against: "nginx", Goal: "≤ 2 MB", Bound: 2}},
	}
}

func ofTheRest() []entry {
	list := []entry{}
	for _, version := range versions {
		for _, when := range []string{"before", "after"} {
			name := fmt.Sprintf("share resumed %s a reload, %s", when, version.name)
			list = append(list, entry{key(version.name, when), Figure{Name: name, Section: "Resumption, one ticket offered 50 times", More: true}})
		}
	}
	const section = "Balance: 24 kept connections on 4 workers"
	for _, way := range ways {
		list = append(list,
			entry{key(way.name, "idle"), Figure{
				Name: "workers of 4 without one of 24 connections, opened " + way.name, Section: section, Goal: "0", Every: true,
			}},
			entry{key(way.name, "spread"), Figure{
				Name: "most ÷ fewest of 24 connections on a worker of 4, opened " + way.name, Section: section, Goal: "≤ 1.5", Bound: 1.5,
			}})
	}
	return list
}

// key makes a key of parts.
func key(parts ...any) string { return fmt.Sprintln(parts...) }
