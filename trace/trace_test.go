package trace

import (
	"testing"
	"time"
)

func TestLevelIsAskedBeforeFormatting(t *testing.T) {
	var got []string
	l := New(func(_ Level, s string) { got = append(got, s) }, func(v Level) bool { return v >= Warning })
	l.Infof("no %d", 1)
	l.Warnf("yes %d", 2)
	l.Errorf("100%")
	if len(got) != 2 || got[0] != "yes 2" || got[1] != "100%" {
		t.Fatalf("got %q", got)
	}
	var none *Logger
	none.Errorf("discarded")
	if none.Limited() != nil || none.Enabled(Error) {
		t.Fatal("a nil logger must discard")
	}
}

func TestLimitedDropsAndCounts(t *testing.T) {
	var got []string
	l := New(func(_ Level, s string) { got = append(got, s) }, func(Level) bool { return true }).Limited()
	now := time.Unix(1000, 0)
	l.limit.now = func() time.Time { return now }
	for range burst + 30 {
		l.Warnf("bad")
	}
	if len(got) != burst {
		t.Fatalf("%d lines passed a burst of %d", len(got), burst)
	}
	now = now.Add(refill)
	l.Warnf("bad")
	l.Warnf("bad")
	if len(got) != burst+1 || got[burst] != "bad (30 lines dropped before)" {
		t.Fatalf("after a refill: %d lines, last %q", len(got), got[len(got)-1])
	}
}
