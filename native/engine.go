package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
	"github.com/open-policy-agent/opa/v1/version"
)

// spec is what a caller sends to have one query prepared: the policy's whole world.
type spec struct {
	Modules             map[string]string `json:"modules"`
	Data                map[string]any    `json:"data"`
	Query               string            `json:"query"`
	Capabilities        *ast.Capabilities `json:"capabilities"`
	Strict              bool              `json:"strict"`
	StrictBuiltinErrors bool              `json:"strict_builtin_errors"`
}

// failure is the one form in which anything that went wrong reaches the caller.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Errors  []any  `json:"errors,omitempty"`
}

// answer carries exactly one of its fields; none of them means that the query is undefined.
type answer struct {
	Handle       int64             `json:"handle,omitempty"`
	Error        *failure          `json:"error,omitempty"`
	Version      string            `json:"version,omitempty"`
	Capabilities *ast.Capabilities `json:"capabilities,omitempty"`
	Result       *any              `json:"result,omitempty"`
	Bindings     []rego.Vars       `json:"bindings,omitempty"`
}

var prepared = struct {
	sync.RWMutex
	last    int64
	queries map[int64]*rego.PreparedEvalQuery
}{queries: map[int64]*rego.PreparedEvalQuery{}}

func failed(code string, err error) answer {
	f := &failure{Code: code, Message: err.Error(), Errors: parts(err)}
	var eval *topdown.Error
	if errors.As(err, &eval) {
		f.Code = eval.Code
	}
	return answer{Error: f}
}

// parts takes OPA's lists of errors apart, down to those that have a code and a place.
func parts(err error) []any {
	var found []any
	var parsed rego.Errors
	var compiled ast.Errors
	var one *ast.Error
	var eval *topdown.Error
	switch {
	case errors.As(err, &parsed):
		for _, e := range parsed {
			found = append(found, parts(e)...)
		}
	case errors.As(err, &compiled):
		for _, e := range compiled {
			found = append(found, e)
		}
	case errors.As(err, &one):
		found = append(found, one)
	case errors.As(err, &eval):
		found = append(found, eval)
	}
	return found
}

// guarded turns a panic of the called function into an error answer: the process is not ours to
// bring down.
func guarded(do func() answer) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			stack := debug.Stack()
			a = failed("panic", fmt.Errorf("%v\n%s", p, stack[:min(len(stack), 2000)]))
		}
	}()
	return do()
}

// encode writes an answer as JSON: keys sorted, no spaces, nothing escaped but what JSON asks.
func encode(a answer) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a); err != nil {
		return []byte(`{"error":{"code":"marshal","message":"the answer has no JSON form"}}`)
	}
	return bytes.TrimRight(buffer.Bytes(), "\n")
}

// prepare compiles the policy and keeps the prepared query under a new handle.
func prepare(raw []byte) answer {
	var s spec
	decoder := util.NewJSONDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return failed("bad_spec", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return failed("bad_spec", errors.New("text after the specification"))
	}
	store := inmem.NewFromObjectWithOpts(s.Data,
		inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	options := []func(*rego.Rego){
		rego.Query(s.Query), rego.Store(store), rego.Strict(s.Strict),
		rego.SetRegoVersion(ast.RegoV1), rego.StrictBuiltinErrors(s.StrictBuiltinErrors),
	}
	if s.Capabilities != nil {
		options = append(options, rego.Capabilities(s.Capabilities))
	}
	for path, text := range s.Modules {
		options = append(options, rego.Module(path, text))
	}
	query, err := rego.New(options...).PrepareForEval(context.Background())
	if err != nil {
		return failed("compile", err)
	}
	prepared.Lock()
	defer prepared.Unlock()
	prepared.last++
	prepared.queries[prepared.last] = &query
	return answer{Handle: prepared.last}
}

// evaluate runs one prepared query. A nil input is an undefined input; a timeout of zero is none.
func evaluate(handle int64, input []byte, timeout time.Duration) answer {
	prepared.RLock()
	query := prepared.queries[handle]
	prepared.RUnlock()
	if query == nil {
		return failed("no_handle", fmt.Errorf("no prepared query has the handle %d", handle))
	}
	var options []rego.EvalOption
	if input != nil {
		value, err := ast.ValueFromReader(bytes.NewReader(input))
		if err != nil {
			return failed("bad_input", err)
		}
		options = append(options, rego.EvalParsedInput(value))
	}
	ctx := context.Background()
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	results, err := query.Eval(ctx, options...)
	if err != nil {
		return failed("eval", err)
	}
	if len(results) == 0 {
		return answer{}
	}
	if len(results) == 1 && len(results[0].Expressions) == 1 && len(results[0].Bindings) == 0 {
		return answer{Result: &results[0].Expressions[0].Value}
	}
	bindings := make([]rego.Vars, 0, len(results))
	for _, r := range results {
		bindings = append(bindings, r.Bindings)
	}
	return answer{Bindings: bindings}
}

func release(handle int64) {
	prepared.Lock()
	defer prepared.Unlock()
	delete(prepared.queries, handle)
}

// about names the OPA release inside and what it can do; the caller chooses its own subset.
func about() answer {
	return answer{Version: version.Version, Capabilities: ast.CapabilitiesForThisVersion()}
}
