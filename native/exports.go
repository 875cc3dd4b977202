// Package main is OPA as a C shared library: JSON text in, JSON text out.
//
// It evaluates and nothing else: it opens no file, no socket, and keeps no state but the prepared
// queries. Every returned string belongs to the caller, who gives it back through XbFreeStr.
package main

/*
#include <stdlib.h>
*/
import "C"

import (
	"os"
	"runtime/debug"
	"time"
	"unsafe"
)

// Collecting less often takes about a quarter off a decision for some 40 MB; the soft limit bounds
// what that may cost. Set here: the runtime reads the environment that the process began with,
// never what the process itself puts there later. An operator's own words win.
func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(1 << 30)
	}
}

func text(a answer) *C.char { return C.CString(string(encode(a))) }

// XbVersion answers {"version", "capabilities"} of the OPA release inside.
//
//export XbVersion
func XbVersion() *C.char { return text(guarded(about)) }

// XbNew prepares the query of a JSON specification: {"handle"} or {"error"}.
//
//export XbNew
func XbNew(spec *C.char, length C.int) *C.char {
	raw := C.GoBytes(unsafe.Pointer(spec), length)
	return text(guarded(func() answer { return prepare(raw) }))
}

// XbEval evaluates one prepared query: {"result"}, {"bindings"}, {"error"} or, undefined, {}.
// An input length of -1 is an undefined input. Safe for many threads at once.
//
//export XbEval
func XbEval(handle C.longlong, input *C.char, length C.int, timeoutMs C.int) *C.char {
	var raw []byte
	if length >= 0 {
		raw = C.GoBytes(unsafe.Pointer(input), length)
		if raw == nil {
			raw = []byte{}
		}
	}
	timeout := time.Duration(timeoutMs) * time.Millisecond
	return text(guarded(func() answer { return evaluate(int64(handle), raw, timeout) }))
}

// XbFree forgets a prepared query; evaluations already running finish undisturbed.
//
//export XbFree
func XbFree(handle C.longlong) { release(int64(handle)) }

// XbFreeStr gives back a string that this library returned.
//
//export XbFreeStr
func XbFreeStr(p *C.char) { C.free(unsafe.Pointer(p)) }

func main() {}
