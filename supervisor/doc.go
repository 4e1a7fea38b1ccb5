// Package supervisor turns a config, or a program, into a pre-forked service
// whose PID never changes and whose reloads lose nothing.
//
// Three roles live in one binary and are told apart by one environment variable
// before any flag is parsed:
//
//	anchor    PID never changes. Takes the signals, keeps the listening sockets,
//	│         starts a lost master again. Reads no config and no certificate.
//	└─ master generation N: config, certificates, workers, control socket.
//	   ├─ worker N.1 … N.k: TLS and the http.Handler, unprivileged.
//	   └─ master N+1, only during a handover; master N exits when it is ready.
//
// A reload, as package handover decides it and package master carries it out:
// master N judges what lies on disk, and refuses cheaply; the bytes that passed
// lie in sealed memory from then on; tableflip starts master N+1 from the binary
// on disk with the same sockets; that one starts its workers with those bytes
// (or judges again, if the config or the program is another) and proves each over
// a private connection; it declares itself ready, and master N exits at once; the
// new workers are told "go" and accept; the old ones lose their serve pipe, close
// their listeners and drain. When none of them accepts any more, the reload is
// done.
//
// A rotation replaces no process: the master judges the certificates, every
// worker prepares them beside those it serves and proves them over a private
// connection, and only when all have done so is any told to serve them. Files
// that are watched, a time that has come and a way back lead to rotations too.
//
// What must survive a killed master lies in the anchor's store: the sockets,
// the accepted config and certificates, and the write end of each generation's
// serve pipe. A killed master therefore costs nothing: its workers serve on,
// and another one hands over to a fresh generation.
//
// # More than one machine
//
// Instances do not know one another. There is no election, no gossip and no shared
// store: each judges, proves and serves what lies on its own disk, and whoever
// brings it there (the kubelet, a configuration tool, a copy) decides what the
// instances have in common. What follows is written for Kubernetes, whose manifests
// lie in integration/kubernetes, and holds for any balancer that asks /readyz.
//
// What changes decides how it comes to all instances:
//
//   - A certificate: cert-manager writes the secret when two thirds of the lifetime
//     are over, each kubelet switches ..data, and the watch rotates in place. No pod
//     is replaced, no connection closed.
//   - The session ticket keys: the same way, by turns (below).
//   - The program or the configuration: a rolling update, or, where connections must
//     outlive it, handover reload in one pod after the other.
//
// Rolling updates. A pod that is told TERM says 503 at /readyz at once and serves
// whoever still comes for shutdown_delay; then it drains within graceful_timeout. So
// nothing is lost if shutdown_delay is longer than the slowest way from "this pod
// stops" to "no client is sent there": the EndpointSlice and every kube-proxy, or
// periodSeconds times failureThreshold of a balancer that probes by itself, and one
// period more. terminationGracePeriodSeconds is both times and 10 s. A new pod is
// ready when each of its workers has proved itself, so maxUnavailable: 0 with
// maxSurge: 1 never has fewer than replicas serve. A deployment replaces the next
// pod as soon as the new one is ready: with 3 s for that and 40 s for a stop some 14
// pods may be stopping at once, which is the memory that a quota must leave.
//
// Session ticket keys. Without ticket_keys each instance has a ring of its own, and
// a client that a balancer sends to one of N resumes one time in N. The file has the
// keys in the order of a ring: the first encrypts, all decrypt. That is the order of
// nginx, Envoy and crypto/tls; HAProxy encrypts with the last but one, so that keys
// are appended. A new key must be known to every instance before one encrypts with
// it, and an old one must decrypt until the last ticket of it has outlived its time.
// Three steps do that by hand: add the key at the end; when all have it, put it
// first; a ticket's lifetime later take the old one out. turn-ticket-keys.sh makes
// one step of the three, once per period P: second, new, first. Each key is known
// for P before it encrypts, encrypts for P and decrypts for P after, so P has to be
// longer than a secret takes to the last pod, and a ticket is good for P at least and
// for 2 P at most. handover_ticket_key_info compares the instances, and an alert
// says when one encrypts with what another does not have.
//
// Who may read that secret can read what TLS 1.2 sessions of those tickets said, if
// they have recorded it; TLS 1.3 makes new keys in each handshake all the same. So
// it is held to what a private key is, the period should be hours or a day and not
// months, and etcd should encrypt secrets at rest. An instance that is alone is
// better off without: its ring has never been on a disk.
//
// Staggered rotation. A kubelet looks after each pod every 60 to 90 s (its sync
// frequency, with jitter), so a changed secret comes to the pods of a service evenly
// spread over a minute and a half; until then some serve the old certificate and some
// the new. Clients take either: both are valid for another third of the lifetime, and
// a session that was begun under one resumes under the other. So the watch adds no
// jitter of its own: there is nothing that many instances would rush to. They ask no
// authority, replace no process and lose no capacity, and each spends its own CPU, 22
// ms with two workers. What spreading by chance does not give is time to look: a
// certificate that passes every check and that clients refuse all the same is
// everywhere after 90 s. To let one instance go first, leave reload at "signal"
// and call handover rotate in one pod after the other: when the command returns 0,
// that pod serves the new one (guarantee 5). Or give one of two deployments its
// own Certificate.
//
// What was tested, on one machine, and what was only calculated:
//
//   - Tested: three instances replaced one by one behind a balancer that is 300 ms
//     late, with a renewal in between: 0 requests lost, every session resumed. The
//     same clients do lose without shutdown_delay (integration/rolling_test.go).
//   - Tested: two instances resume each other's tickets, TLS 1.2 and 1.3, at every
//     moment of the three steps and of the turns, half of them told and half not
//     (integration/ticket_keys_test.go, ticket_turn_test.go).
//   - Tested: a pod with the manifests' own command, mounts and rights takes changed
//     secrets, and drains (integration/managers).
//   - Measured: 22 ms of CPU for a rotation, of certificates or of ticket keys, all
//     processes of an instance with two workers together, as schedstat has it.
//   - Read: the 60 to 90 s, in Kubernetes 1.37.2 (syncFrequency of 1 min, times 1 to
//     1.5); a third of the lifetime, in cert-manager 1.21.0.
//   - Calculated: one resumption in N without shared keys; 14 pods that stop at once;
//     that a renewal reaches all pods within 90 s and the delay of the API server's
//     watch; 100 pods that rotate within 90 s: 2.2 s of CPU in all, on as many
//     nodes, and no request to anybody.
//   - Not tested: a cluster, kube-proxy, a cloud's balancer, a real cert-manager.
package supervisor
