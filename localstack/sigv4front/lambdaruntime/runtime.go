// Package lambdaruntime runs a provided.al2023 binary like Lambda does: it
// serves the runtime API on a loopback port, starts the binary with an
// environment that names that port, and sends it events.
//
// So tests and measurements use the deployed binary, and not a build made for
// the test.
package lambdaruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config describes the function to run.
type Config struct {
	Binary    string    // path of the bootstrap
	Env       []string  // NAME=value, added to Lambda's own
	Instances int       // number of processes, each serving one event at a time; 0 means 1
	Log       io.Writer // output of the processes; nil discards it
}

// Function is a running function. It is safe for concurrent use. Events that
// find no free instance wait.
type Function struct {
	server *http.Server
	queue  chan *invocation
	first  chan struct{} // closed at the first poll
	polled sync.Once
	broken chan struct{} // closed when a process ended or refused to start
	once   sync.Once
	reason error // the reason, readable once broken is closed

	mu      sync.Mutex
	pending map[string]*invocation
	serial  int

	stop context.CancelFunc
	done sync.WaitGroup
}

type invocation struct {
	id      string
	payload []byte
	answer  chan answer // receives one answer
}

type answer struct {
	payload []byte
	err     error
}

const api = "/2018-06-01/runtime/"

// timeout is the deadline of events, API Gateway's longest wait.
const timeout = 29 * time.Second

// Start starts the function's processes. Close ends them.
func Start(ctx context.Context, c Config) (*Function, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	f := &Function{
		queue:   make(chan *invocation),
		first:   make(chan struct{}),
		broken:  make(chan struct{}),
		pending: map[string]*invocation{},
		stop:    stop,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api+"invocation/next", f.next)
	mux.HandleFunc("POST "+api+"invocation/{id}/response", f.response)
	mux.HandleFunc("POST "+api+"invocation/{id}/error", f.failure)
	mux.HandleFunc("POST "+api+"init/error", f.initFailure)
	f.server = &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() { _ = f.server.Serve(listener) }() // until Close
	log := c.Log
	if log == nil {
		log = io.Discard
	}
	for range max(1, c.Instances) {
		cmd := exec.CommandContext(ctx, c.Binary)
		cmd.Env = append(os.Environ(), c.Env...)
		cmd.Env = append(cmd.Env,
			"AWS_LAMBDA_RUNTIME_API="+listener.Addr().String(),
			"AWS_LAMBDA_FUNCTION_NAME=local",
			"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
			"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
			"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/local",
			"AWS_LAMBDA_LOG_STREAM_NAME=local",
			"_HANDLER=bootstrap",
		)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", c.Binary, err), f.Close())
		}
		f.done.Go(func() {
			err := cmd.Wait()
			f.fail(fmt.Errorf("%s ended: %w", c.Binary, err))
		})
	}
	return f, nil
}

// Close ends the processes and the runtime API.
func (f *Function) Close() error {
	f.stop()
	f.done.Wait()
	return f.server.Close()
}

// Ready waits until a process polls for its first event, which ends Lambda's
// initialisation.
func (f *Function) Ready(ctx context.Context) error {
	select {
	case <-f.first:
		return nil
	case <-f.broken:
		return f.reason
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Invoke sends an event to the function and returns its answer, or the error
// that the handler returned.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	f.mu.Lock()
	f.serial++
	i := &invocation{id: fmt.Sprintf("00000000-0000-4000-8000-%012d", f.serial), payload: payload, answer: make(chan answer, 1)}
	f.pending[i.id] = i
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.pending, i.id)
	}()
	select {
	case f.queue <- i:
	case <-f.broken:
		return nil, f.reason
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-i.answer:
		return a.payload, a.err
	case <-f.broken:
		return nil, f.reason
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *Function) fail(err error) {
	f.once.Do(func() {
		f.reason = err
		close(f.broken)
	})
}

func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	f.polled.Do(func() { close(f.first) })
	select {
	case <-r.Context().Done():
	case i := <-f.queue:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(timeout).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:local")
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
		w.Write(i.payload)
	}
}

func (f *Function) finish(w http.ResponseWriter, r *http.Request, of func([]byte) answer) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	i, ok := f.pending[r.PathValue("id")]
	delete(f.pending, r.PathValue("id"))
	f.mu.Unlock()
	if err != nil || !ok {
		http.Error(w, "no such invocation", http.StatusBadRequest)
		return
	}
	i.answer <- of(body)
	w.WriteHeader(http.StatusAccepted)
}

// MaxAnswer is the size from which Lambda refuses a buffered answer, in bytes.
const MaxAnswer = 6 << 20

// ErrTooLarge is the error of an answer that Lambda refuses for its size.
var ErrTooLarge = errors.New("the answer is larger than Lambda's limit of 6 MB")

func (f *Function) response(w http.ResponseWriter, r *http.Request) {
	f.finish(w, r, func(body []byte) answer {
		if len(body) > MaxAnswer {
			return answer{err: fmt.Errorf("%w: %d bytes", ErrTooLarge, len(body))}
		}
		return answer{payload: body}
	})
}

func (f *Function) failure(w http.ResponseWriter, r *http.Request) {
	f.finish(w, r, func(body []byte) answer {
		return answer{err: fmt.Errorf("the handler failed: %s", bytes.TrimSpace(body))}
	})
}

func (f *Function) initFailure(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.fail(fmt.Errorf("initialisation failed: %s", strings.TrimSpace(string(body))))
	w.WriteHeader(http.StatusAccepted)
}
