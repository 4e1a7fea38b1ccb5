package chaos

import (
	"math/rand/v2"
	"time"
)

// rarely is every which time a rare card is in the deck.
const rarely = 3

// Schedule deals steps. It belongs to one goroutine.
type Schedule struct {
	random *rand.Rand
	deals  int
	hand   []card
}

// card is one of the deck that strikes one thing.
type card struct {
	Card
	on string
}

// New starts the schedule of a seed.
func New(seed uint64) *Schedule {
	return &Schedule{random: rand.New(rand.NewPCG(seed, 0))}
}

// Next deals a step.
func (s *Schedule) Next() Step {
	if len(s.hand) == 0 {
		s.deal()
	}
	c := s.hand[0]
	s.hand = s.hand[1:]
	step := Step{Fault: c.Fault, On: c.on, After: s.within(c.After), For: s.within(c.For), Count: c.Count[0]}
	if len(c.With) > 0 {
		step.With = c.With[s.random.IntN(len(c.With))]
	}
	step.Count += s.random.IntN(c.Count[1] - c.Count[0] + 1)
	return step
}

// deal shuffles the deck. The rare cards are left out of all deals but one in
// rarely.
func (s *Schedule) deal() {
	for _, c := range Deck {
		if c.Rare && s.deals%rarely != rarely-1 {
			continue
		}
		for _, on := range c.On {
			s.hand = append(s.hand, card{c, on})
		}
	}
	s.deals++
	s.random.Shuffle(len(s.hand), func(a, b int) { s.hand[a], s.hand[b] = s.hand[b], s.hand[a] })
}

// within draws a whole number of milliseconds.
func (s *Schedule) within(d Span) time.Duration {
	if d[1] <= d[0] {
		return d[0]
	}
	return d[0] + time.Duration(s.random.Int64N(int64((d[1]-d[0])/time.Millisecond)))*time.Millisecond
}
