package chaos

import "time"

// Card is a fault and the ways in which it may be dealt.
type Card struct {
	Fault string
	On    []string // each is a card of its own
	With  []string
	After Span
	For   Span
	Count [2]int // both ends may be dealt
	Rare  bool   // dealt every third time only: it takes long, or ends everything
}

// Span is from the first to before the second.
type Span [2]time.Duration

const ms = time.Millisecond

// While a lasting fault lasts, or before a sudden one, this may be asked for:
//
//	hup, reload, rotate  by signal, or by a command that waits; with a new certificate
//	slow                 a hup while a request is answered that keeps its worker for a while
//	held                 a hup whose new workers are kept at their proof until the fault has struck
//	kill-master, kill-worker
//	reach                a connection for each descriptor that there could be
var (
	handing  = []string{"", "hup", "reload", "rotate"}
	handover = []string{"hup", "held"}
	lasting  = []string{"hup", "reload", "rotate", "kill-master", "kill-worker"}
)

// Deck is every fault there is.
//
//	kill         kill -9 of one process. successor and newborn (its worker) exist only
//	             in a handover, retiring (an old worker) only after one
//	stop         SIGSTOP, and SIGCONT after a time
//	hang         the same for so long that it is taken for dead
//	ask          what is no fault, Count at once
//	flood        Count signals
//	scale        there shall be Count workers
//	quiet        no workers for a while
//	reopen       of the log
//	certificate  a pair that must be refused
//	config       a file that must be refused
//	program      a binary, of the supervisor or of the workers, gone or garbage
//	disk         no space under log and state_dir
//	descriptors  no more than Count of them beyond those that are open
//	processes    no more than Count tasks beyond those that run
var Deck = []Card{
	{Fault: "kill", On: []string{"worker", "master"}, With: handing, After: Span{0, 500 * ms}},
	{Fault: "kill", On: []string{"successor", "newborn"}, With: handover, After: Span{0, 400 * ms}},
	{Fault: "kill", On: []string{"retiring"}, With: []string{"slow"}, After: Span{0, 900 * ms}},
	{Fault: "stop", On: []string{"retiring"}, With: []string{"slow"}, After: Span{0, 900 * ms}, For: Span{20 * ms, 1500 * ms}},
	{Fault: "kill", On: []string{"anchor"}, With: handing, After: Span{0, 500 * ms}, Rare: true},
	{Fault: "stop", On: []string{"worker", "master", "anchor"}, With: handing, After: Span{0, 300 * ms}, For: Span{20 * ms, 1500 * ms}},
	{Fault: "stop", On: []string{"successor", "newborn"}, With: handover, After: Span{0, 400 * ms}, For: Span{20 * ms, 1500 * ms}},
	{Fault: "hang", On: []string{"master", "anchor", "successor"}, With: []string{"hup"}, After: Span{0, 400 * ms}, For: Span{5500 * ms, 8000 * ms}, Rare: true},
	{Fault: "hang", On: []string{"worker"}, With: []string{"", "hup"}, After: Span{0, 400 * ms}, For: Span{8000 * ms, 10000 * ms}, Rare: true},
	{Fault: "ask", On: []string{"hup", "usr2", "group", "reload", "rotate"}, Count: [2]int{1, 4}},
	{Fault: "flood", On: []string{"hup", "scaling", "shrink", "reopen", "everything"}, With: []string{"", "kill-master"}, After: Span{0, 50 * ms}, Count: [2]int{150, 250}},
	{Fault: "scale", On: []string{"command", "signal"}, With: []string{"", "hup"}, After: Span{0, 200 * ms}, Count: [2]int{1, 4}},
	{Fault: "quiet", On: []string{"workers"}, For: Span{50 * ms, 1500 * ms}},
	{Fault: "reopen", On: []string{"log"}, With: handing},
	{Fault: "certificate", On: []string{"mismatch", "truncated", "expired", "empty", "missing"}, With: []string{"hup", "reload", "rotate", "kill-master", "kill-worker"}},
	{Fault: "config", On: []string{"syntax", "unknown-key", "missing"}, With: []string{"hup", "reload", "kill-master", "kill-worker"}},
	{Fault: "program", On: []string{"handover-gone", "handover-garbage", "app-gone", "app-garbage"}, With: []string{"hup", "reload", "kill-master", "kill-worker"}, For: Span{0, 800 * ms}},
	{Fault: "disk", On: []string{"full"}, With: lasting, For: Span{0, 800 * ms}},
	{Fault: "disk", On: []string{"full"}, With: lasting, For: Span{0, 800 * ms}},
	{Fault: "descriptors", On: []string{"worker", "workers"}, With: []string{"reach", "hup", "rotate", "reload"}, For: Span{100 * ms, 1500 * ms}, Count: [2]int{0, 8}},
	{Fault: "descriptors", On: []string{"master", "anchor"}, With: lasting, For: Span{0, 1500 * ms}, Count: [2]int{0, 24}},
	{Fault: "processes", On: []string{"master"}, With: []string{"hup", "reload", "kill-worker"}, For: Span{0, 1000 * ms}, Count: [2]int{0, 12}},
	{Fault: "processes", On: []string{"anchor"}, With: []string{"hup", "reload", "kill-master"}, For: Span{0, 1000 * ms}, Count: [2]int{0, 12}},
}
