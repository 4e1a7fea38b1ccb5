// Package pool decides which workers a generation has: the wanted number minus
// the actual one, each worker's way from its start to its end, and how long to
// wait before one that keeps failing is started again.
//
// It is pure: events and the time in, actions out. It promises that a worker is
// told "go" only after its proof, that a slot is not used again before its
// process has ended, and that a failing boot is reported once.
//
// A worker's way, generated from its one declaration:
//
//	starting   ready            → proving    prove
//	starting   failed           → ending     count a failure, kill
//	starting   retired          → ending     kill
//	starting   expired          → ending     count a failure, kill
//	starting   exited           → vacant     count a failure
//	proving    passed           → proved
//	proving    failed           → ending     count a failure, kill
//	proving    retired          → ending     kill
//	proving    expired          → ending     count a failure, kill
//	proving    exited           → vacant     count a failure
//	proved     failed           → ending     count a failure, kill
//	proved     released         → serving    go
//	proved     retired          → ending     kill
//	proved     exited           → vacant     count a failure
//	serving    retired          → draining   retire
//	serving    used             → spent
//	serving    silent           → hung       count a failure, dump
//	serving    left             → draining   count a failure
//	serving    exited           → vacant     count a failure
//	spent      retired          → draining   retire
//	spent      silent           → hung       count a failure, dump
//	spent      left             → draining   count a failure
//	spent      exited           → vacant     count a failure
//	hung       retired          → ending     kill
//	hung       expired          → ending     kill
//	hung       exited           → vacant
//	draining   expired          → ending     kill
//	draining   exited           → vacant
//	ending     expired          → ending     kill
//	ending     exited           → vacant
package pool
