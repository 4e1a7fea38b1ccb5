package cert

import (
	"context"
	"fmt"
	"time"
)

// cryptoLimit bounds what is computed for one certificate, all steps together:
// a stranger may have written it, and there are keys whose arithmetic takes hours.
const cryptoLimit = 5 * time.Second

// attempt runs f in a goroutine of its own, which ends when f does. A panic in
// it becomes an error: it must not take the master along.
func attempt[T any](f func() (T, error)) <-chan outcome[T] {
	done := make(chan outcome[T], 1)
	go func() {
		var o outcome[T]
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("panic: %v", p)
			}
			done <- o
		}()
		o.value, o.err = f()
	}()
	return done
}

type outcome[T any] struct {
	value T
	err   error
}

// bounded is f, for as long as ctx and cryptoLimit allow. What does not end by
// then is left behind: Go cannot interrupt a computation.
func bounded[T any](ctx context.Context, f func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, cryptoLimit)
	defer cancel()
	return await(ctx, attempt(f))
}

// again is f where the same, over the same bytes, has come to an end before: that
// needs no goroutine which can be left behind.
func again[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// once is bounded or, for what is known, again.
func once[T any](ctx context.Context, known *proven, f func() (T, error)) (T, error) {
	if known != nil {
		return again(f)
	}
	return bounded(ctx, f)
}

// await waits for an attempt, until ctx ends.
func await[T any](ctx context.Context, done <-chan outcome[T]) (T, error) {
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("no end in sight: %w", ctx.Err())
	}
}
