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
package supervisor
