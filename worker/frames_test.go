package worker

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// stream writes frames as a server does, of kinds and sizes that seed chooses,
// and returns the places where another frame may stand.
func stream(seed []byte) (written []byte, places map[int]bool, goAway int) {
	var b bytes.Buffer
	framer := http2.NewFramer(&b, nil)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	places, goAway = map[int]bool{b.Len(): true}, -1
	for _, choice := range seed {
		payload := bytes.Repeat([]byte{choice}, int(choice)*5)
		switch choice % 6 {
		case 0:
			_ = framer.WriteData(1, false, payload)
		case 1:
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: payload, EndHeaders: true})
		case 2:
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: payload})
			_ = framer.WriteContinuation(1, false, payload)
			_ = framer.WriteContinuation(1, true, nil)
		case 3:
			_ = framer.WriteSettingsAck()
		case 4:
			_ = framer.WritePing(true, [8]byte{choice})
		case 5:
			if goAway < 0 && choice > 200 {
				goAway = b.Len()
				_ = framer.WriteGoAway(1, http2.ErrCodeNo, nil)
			}
		}
		places[b.Len()] = true
	}
	return b.Bytes(), places, goAway
}

func FuzzFarewellStandsBetweenFrames(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4}, []byte{1, 9, 3}, uint16(20))
	f.Add([]byte{2, 2}, []byte{7}, uint16(0))
	f.Add([]byte{215, 0}, []byte{255, 1}, uint16(300))
	f.Fuzz(func(t *testing.T, seed, cuts []byte, begin uint16) {
		if len(seed) > 64 || len(cuts) == 0 {
			t.Skip()
		}
		want, places, goAway := stream(seed)
		var follower follower
		var got []byte
		offset, turn := 0, 0
		leaving := false
		for rest := want; len(rest) > 0; turn++ {
			n := min(int(cuts[turn%len(cuts)])+1, len(rest))
			leaving = leaving || offset >= int(begin)
			if leaving && !follower.goneBye {
				got = append(got, follower.splice(rest[:n])...)
			} else {
				follower.follow(rest[:n])
				got = append(got, rest[:n]...)
			}
			offset, rest = offset+n, rest[n:]
		}
		at := bytes.Index(got, farewell)
		if at < 0 {
			if !bytes.Equal(got, want) {
				t.Fatal("stream without a farewell: changed")
			}
			if leaving && goAway < 0 && places[len(want)] && follower.clear() {
				t.Fatal("drain began: no farewell at the end of the stream")
			}
			return
		}
		if without := append(bytes.Clone(got[:at]), got[at+len(farewell):]...); !bytes.Equal(without, want) {
			t.Fatalf("stream without the farewell at %d: changed", at)
		}
		if !places[at] {
			t.Fatalf("farewell at %d: inside a frame or header block", at)
		}
		if goAway >= 0 && at > goAway {
			t.Fatalf("farewell at %d: after the server's own GOAWAY at %d", at, goAway)
		}
	})
}

func TestFarewellIsAGoAwayOfTheLastPossibleStream(t *testing.T) {
	t.Parallel()
	frame, err := http2.NewFramer(nil, bytes.NewReader(farewell)).ReadFrame()
	check(t, err)
	got, ok := frame.(*http2.GoAwayFrame)
	if !ok || got.LastStreamID != lastPossibleStream || got.ErrCode != http2.ErrCodeNo {
		t.Errorf("farewell: got %v", frame)
	}
}
