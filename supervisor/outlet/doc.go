// Package outlet writes log lines to what may not be taking any.
//
// It owns an open file and the lines that wait for it. It promises that nobody
// who logs waits for a reader: of a pipe or a terminal that may have stopped for
// as long as it likes; that lines come out in their order; and that those which
// were lost are counted and said as soon as something can be said again. It
// refuses to make the file non-blocking: whoever started us shares the open file
// description, and would find its own writes fail.
//
// # Why
//
// To what is no regular file one goroutine writes, which blocks in write(2) in
// everybody's place; the process ends over it. It lives only while lines wait, and
// there is no timer: an idle anchor stays idle. To look with poll(2) whether
// there is room would not do, for others write into the same pipe in between.
package outlet
