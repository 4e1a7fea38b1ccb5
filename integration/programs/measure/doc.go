// Measure runs a program and writes how much memory it held at its peak, in
// bytes, to descriptor 3. It exists because a child begins with the peak of
// whoever started it, and a test process is large.
package main
