// Package metrics says in Prometheus' words what a status says in ours.
//
// It is a pure mapping: one published value in, text out. It promises that every
// series is there from the first scrape on, at zero if need be, and that a
// counter never goes back while the service lives, reloads and killed masters
// included: what counts is counted by who publishes the status. One case is left
// out: of a worker that ends during a handover in which the old master is then
// killed, what it had counted is lost. It refuses the global registry, which
// describes the process and not the service.
//
// Beside it lie alerts.yaml, rules for Prometheus, and dashboard.json, a board for
// Grafana: both use these names alone, which a test holds them to.
//
// # The metrics
//
//	handover_build_info{goversion,version} gauge
//	    The master that answers: 1.
//	handover_certificate_findings_total{check,severity} counter
//	    Findings of the certificate checks, at the start and in what was asked for since; only those that were made.
//	handover_certificate_held{name} gauge
//	    1 if it was rolled back to, until the files on disk change.
//	handover_certificate_info{fingerprint_sha256,issuer,name,serial} gauge
//	    A served certificate: 1.
//	handover_certificate_leaf_not_after_timestamp_seconds{name} gauge
//	    When a served certificate itself ends.
//	handover_certificate_not_after_timestamp_seconds{name} gauge
//	    When a served certificate, or one of its chain, ends.
//	handover_certificate_not_before_timestamp_seconds{name} gauge
//	    When a served certificate began to be valid.
//	handover_certificate_pending{name} gauge
//	    1 if something else lies on disk, as seen once a minute.
//	handover_certificates{left} gauge
//	    Served certificates by what is left of their lifetime: less than a quarter, a tenth, nothing.
//	handover_certificates_earliest_not_after_timestamp_seconds gauge
//	    The earliest end of all served certificates; absent if there are none.
//	handover_certificates_pending gauge
//	    Served certificates of which something else lies on disk, as seen once a minute.
//	handover_connections gauge
//	    Open connections of clients, those of draining generations included.
//	handover_connections_cut_total{reason} counter
//	    Connections of clients that were open at graceful_timeout, or when their worker ended.
//	handover_degraded gauge
//	    1 while not what lay on disk at the start is served, but the last good certificates.
//	handover_draining_generations gauge
//	    Older generations that still end their connections.
//	handover_failing_slots gauge
//	    Slots without a worker: those that were started there failed, and one is tried again.
//	handover_generation gauge
//	    Number of the serving generation.
//	handover_generations{state} gauge
//	    Generations by state.
//	handover_last_reload_success_timestamp_seconds gauge
//	    When the last one ended that was done; at first, when the service was started.
//	handover_last_reload_successful gauge
//	    1 if the last reload, rotation or rollback was done, or none was asked for yet.
//	handover_last_reload_timestamp_seconds gauge
//	    When the last reload, rotation or rollback ended; at first, when the service was started.
//	handover_last_reload_unconfirmed gauge
//	    1 if a public address was asked, and does not serve what the last reload or rotation took.
//	handover_log_lines_lost_total{log} counter
//	    Lines that the log, or the access log, did not take.
//	handover_master_restarts_total counter
//	    Masters that were killed or crashed, and were replaced.
//	handover_reload_duration_seconds{kind} histogram
//	    How long reloads, rotations and rollbacks took, from when they were asked for.
//	handover_reload_in_progress gauge
//	    1 while a reload, a rotation or a rollback runs.
//	handover_reloads_total{kind,outcome} counter
//	    Reloads, rotations and rollbacks that have ended, by outcome.
//	handover_request_duration_seconds histogram
//	    How long handlers took, but for those that took their connection over.
//	handover_requests_total counter
//	    Requests answered since the service was started.
//	handover_resident_memory_bytes{role} gauge
//	    Resident memory by role, all processes of a role together.
//	handover_responses_total{class} counter
//	    Answers by the class of their status.
//	handover_start_time_seconds gauge
//	    When the service was started.
//	handover_ticket_key_info{role,sha256} gauge
//	    A session ticket key of the file that ticket_keys names: 1. One encrypts.
//	handover_tls_handshake_errors_total{reason} counter
//	    Handshakes of clients that failed, by reason.
//	handover_tls_handshakes_total{resumed,version} counter
//	    Completed handshakes of clients.
//	handover_worker_boot_duration_seconds histogram
//	    How long workers took from their start until they were ready.
//	handover_worker_exits_total{reason} counter
//	    Ends of workers since the service was started, by reason.
//	handover_worker_restarts_total counter
//	    Ends of workers that nobody had asked for: another one was started each time.
//	handover_workers{state} gauge
//	    Workers by state.
//	handover_workers_wanted gauge
//	    Workers that should serve; 0 while they were told to stop.
//
// # The labels
//
// Every label but those of certificates has few values, and all of them are there
// from the start: state, reason, kind, outcome, severity and check are the words of
// the status JSON. check is one of the catalogue; of these series only those are
// there that have counted, for most of seventy times three never will. The reasons
// of failed handshakes: client_gone, timeout, unknown_name (sni refuses it), protocol
// (no TLS, or none that both sides speak), certificate_rejected (by the client: look
// at what is served), client_certificate (ours to reject) and other.
//
// By name there are series of at most 100 certificates, and of several of one name
// the earliest: thousands would be most of what a Prometheus keeps. First come those
// of which the least part of their lifetime is left, by the thresholds of the alerts,
// then those of which something else lies on disk, then those that end first.
// handover_certificates, …_pending and …_earliest_… are of all.
//
// # What counts
//
// Connections and handshakes are those of clients: private probes, and the visits
// with which a master sees whether the public addresses serve what was taken, are
// none. Requests, answers and durations are those of worker.Serve: what a request is
// to a program with a server of its own, only that server knows. Neither does a
// worker program count handshakes or answers that was built with a release which had
// no meters; a reload to such a release and back begins those counters anew.
//
// # Why
//
// Why not client_golang: what a program links, each of its processes initialises,
// workers and anchor too. It took a third of the time until main, and 0.4 MB of
// each. Tests read the text with its parser and have it write the same again.
package metrics
