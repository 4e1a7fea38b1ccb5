package bench

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// clock is a timer of the kernel that is read as a file (timerfd_create(2)). Go's own
// are up to a millisecond late, which is as much as what is measured. A goroutine that
// sleeps in a system call keeps the runtime's monitor awake, and that takes from the
// servers ten thousand times a second the core that they need.
type clock struct {
	fd   int
	file *os.File // that the goroutine waits for without a thread
}

var clocks = sync.Pool{New: func() any {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		panic(err) // no descriptor is left to measure with
	}
	return &clock{fd, os.NewFile(uintptr(fd), "clock")}
}}

// sleepUntil sleeps with the kernel's precision.
func sleepUntil(moment time.Time) {
	left := time.Until(moment)
	if left <= 0 {
		return
	}
	c := clocks.Get().(*clock)
	defer clocks.Put(c)
	var rung [8]byte
	err := unix.TimerfdSettime(c.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}, nil)
	if err == nil {
		_, err = c.file.Read(rung[:])
	}
	if err != nil {
		time.Sleep(time.Until(moment))
	}
}
