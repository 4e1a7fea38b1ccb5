package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrCut says that a datagram did not arrive whole: it was too long, or this
// process had no descriptor free for one that came along. The next one is not
// touched by that, so it is no reason to stop receiving.
var ErrCut = errors.New("receive datagram: it was cut")

// maxPassed bounds the descriptors of one datagram (SCM_MAX_FD is 253).
const maxPassed = 16

// Socketpair returns the two ends of a unix socketpair of the given type
// (unix.SOCK_SEQPACKET or unix.SOCK_STREAM), non-blocking and close-on-exec.
func Socketpair(kind int, name string) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open socketpair %q: %v", name, err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// Pipe returns a pipe whose ends are non-blocking and close-on-exec.
func Pipe(name string) (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, nil, fmt.Errorf("open pipe %q: %v", name, err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// Packets is one end of a SOCK_SEQPACKET pair: datagrams in order, each with
// descriptors if wanted. One reader may use it at a time, and any number of writers.
type Packets struct {
	conn *net.UnixConn
	buf  []byte
	oob  []byte
}

// Packet is one received datagram.
type Packet struct {
	Data  []byte
	Files []*os.File // the receiver closes them
	Pid   int        // of the sender, as the kernel says; 0 unless asked for
}

// NewPackets takes over f, which is closed also on error.
func NewPackets(f *os.File) (*Packets, error) {
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use socketpair %q: %v", f.Name(), err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("use socketpair %q: %T is no unix socket", f.Name(), c)
	}
	oob := make([]byte, unix.CmsgSpace(4*maxPassed)+unix.CmsgSpace(unix.SizeofUcred))
	return &Packets{conn: conn, buf: make([]byte, MaxMessage), oob: oob}, nil
}

// WantCredentials asks the kernel to say who sent each datagram (SO_PASSCRED).
func (p *Packets) WantCredentials() error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	var opterr error
	err = raw.Control(func(fd uintptr) {
		opterr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	return errors.Join(err, opterr)
}

// Send writes one datagram and passes the descriptors along; the files stay
// open here. A peer that is gone gives io.EOF.
func (p *Packets) Send(data []byte, files ...*os.File) error {
	_, _, err := p.conn.WriteMsgUnix(data, rights(files), nil)
	return gone(err)
}

// Offer is Send for those who must not wait: a peer that does not read, and whose
// socket is full, gives an error (EAGAIN).
func (p *Packets) Offer(data []byte, files ...*os.File) error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return gone(err)
	}
	var senderr error
	err = raw.Control(func(fd uintptr) {
		senderr = unix.Sendmsg(int(fd), data, rights(files), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return gone(errors.Join(err, senderr))
}

// rights is the control message that passes files along.
func rights(files []*os.File) []byte {
	if len(files) == 0 {
		return nil
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = Descriptor(f)
	}
	return unix.UnixRights(fds...)
}

// Receive waits for one datagram. The peer's end gives io.EOF; data is valid
// until the next call. With ErrCut the packet has what was left of the datagram,
// but no descriptor.
func (p *Packets) Receive() (Packet, error) {
	for {
		n, oobn, flags, _, err := p.conn.ReadMsgUnix(p.buf, p.oob)
		if errors.Is(err, syscall.ECONNRESET) {
			// A peer killed with unread data resets once, before what it had sent.
			continue
		}
		if err != nil {
			return Packet{}, gone(err)
		}
		packet := Packet{Data: p.buf[:n]}
		if err := packet.unpack(p.oob[:oobn]); err != nil {
			return Packet{}, err
		}
		if n == 0 && oobn == 0 {
			return Packet{}, io.EOF
		}
		if n == 0 && len(packet.Files) == 0 {
			return Packet{}, io.EOF // with SO_PASSCRED the end carries credentials
		}
		if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			packet.Close()
			packet.Files = nil
			return packet, fmt.Errorf("%w, of at most %d bytes and %d descriptors", ErrCut, len(p.buf), maxPassed)
		}
		return packet, nil
	}
}

// CloseRead lets Receive return what has arrived and then io.EOF, whoever else
// still holds the other end.
func (p *Packets) CloseRead() error { return p.conn.CloseRead() }

// Close ends this side.
func (p *Packets) Close() error { return p.conn.Close() }

// Close closes the received descriptors.
func (p Packet) Close() {
	for _, f := range p.Files {
		_ = f.Close()
	}
}

func (p *Packet) unpack(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("parse control message: %v", err)
	}
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			p.Pid = int(cred.Pid)
			continue
		}
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			// As the sender has it: the mode belongs to the open file, which both share.
			p.Files = append(p.Files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return nil
}

// gone folds the ways in which a kernel says that the peer has ended into io.EOF.
func gone(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}
