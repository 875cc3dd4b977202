package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func specification(t *testing.T, module string) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"modules": map[string]string{"p.rego": module},
		"data":    map[string]any{"edge": 3},
		"query":   "data.p.x",
		"strict":  true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func load(t *testing.T, module string) int64 {
	t.Helper()
	a := prepare(specification(t, module))
	if a.Error != nil {
		t.Fatalf("%+v", a.Error)
	}
	t.Cleanup(func() { release(a.Handle) })
	return a.Handle
}

func TestResultIsSortedJSON(t *testing.T) {
	h := load(t, "package p\nx := {\"b\": data.edge + input.n, \"a\": \"<&>\"}")
	got := string(encode(evaluate(h, []byte(`{"n":1}`), time.Second)))
	if want := `{"result":{"a":"<&>","b":4}}`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if got := string(encode(evaluate(h, nil, time.Second))); got != "{}" {
		t.Fatalf("an undefined input gave %s", got)
	}
}

func TestFalseAndNullAreResults(t *testing.T) {
	for _, value := range []string{"false", "null"} {
		h := load(t, "package p\nx := "+value)
		if got := string(encode(evaluate(h, nil, 0))); got != `{"result":`+value+`}` {
			t.Fatalf("%s gave %s", value, got)
		}
	}
}

func TestErrorsCarryOpaCodes(t *testing.T) {
	for name, c := range map[string]struct{ module, code string }{
		"syntax":    {"package p\nx := {", "rego_parse_error"},
		"recursion": {"package p\nx := y\ny := x", "rego_recursion_error"},
		"unknown":   {"package p\nx := no.such(1)", "rego_type_error"},
	} {
		a := prepare(specification(t, c.module))
		if a.Error == nil || !strings.Contains(string(encode(a)), c.code) {
			t.Errorf("%s: %s", name, encode(a))
		}
	}
}

func TestDeadlineStopsARunawayPolicy(t *testing.T) {
	h := load(t, "package p\nr := numbers.range(1, 3000)\n"+
		"x if { some a in r; some b in r; a * b < 0 }")
	started := time.Now()
	a := evaluate(h, nil, 100*time.Millisecond)
	if a.Error == nil || a.Error.Code != "eval_cancel_error" {
		t.Fatalf("got %s", encode(a))
	}
	if spent := time.Since(started); spent > 5*time.Second {
		t.Fatalf("stopped after %s", spent)
	}
}

func TestPanicBecomesAnError(t *testing.T) {
	a := guarded(func() answer { panic("on purpose") })
	if a.Error == nil || a.Error.Code != "panic" {
		t.Fatalf("got %s", encode(a))
	}
}

func TestReleasedHandleIsRefused(t *testing.T) {
	h := load(t, "package p\nx := 1")
	release(h)
	if a := evaluate(h, nil, 0); a.Error == nil || a.Error.Code != "no_handle" {
		t.Fatalf("got %s", encode(a))
	}
}
