//go:build linux

package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Events serves streams of events: n of them, one after each time, each with the nanosecond at
// which it is sent. Client and server have the same clock.
func Events(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	every, _ := time.ParseDuration(r.URL.Query().Get("every"))
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	tick := time.NewTicker(max(every, time.Nanosecond))
	defer tick.Stop()
	for range n {
		_, err := fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
		if err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// events reads streams beside each other, and returns how long each event was on its way.
func (c Command) events(o *Outcome) (took []time.Duration, err error) {
	if c.Ask.Down > 0 {
		large, err := c.large()
		if err != nil {
			return nil, err
		}
		began := time.Now()
		defer func() { o.Large = int64(float64(large()) / time.Since(began).Seconds()) }()
	}
	var mu sync.Mutex
	var firsts []time.Duration
	_, err = Many(c.Beside, c.Beside, func(int, int) error {
		delays, first, err := c.stream()
		mu.Lock()
		defer mu.Unlock()
		took, firsts = append(took, delays...), append(firsts, first)
		return err
	})
	o.First = time.Duration(Quantile(firsts, 0.5))
	return took, err
}

// large begins to read an answer, on a connection of its own, and returns when it has begun. What
// it returns ends that, and says how many bytes came until then.
func (c Command) large() (end func() int64, err error) {
	r := &Requests{Way: c.Way}
	if err := r.open(); err != nil {
		return nil, err
	}
	target := fmt.Sprintf("/?down=%d", c.Ask.Down)
	if err := r.begin(http.MethodGet, target, c.Way.host(), "\r\n"); err != nil {
		r.Close()
		return nil, err
	}
	asked := &http.Request{Method: http.MethodGet}
	answer, err := http.ReadResponse(r.reader, asked) //nolint:bodyclose // whoever reads it does
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("answered %s", answer.Status), answer.Body.Close())
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	came := make(chan int64, 1)
	go func() {
		defer answer.Body.Close()
		n, _ := io.Copy(io.Discard, answer.Body)
		came <- n
	}()
	return func() int64 {
		_ = r.conn.Close()
		return <-came
	}, nil
}

// stream reads one.
func (c Command) stream() (delays []time.Duration, first time.Duration, err error) {
	r := Requests{Way: c.Way}
	if err := r.open(); err != nil {
		return nil, 0, err
	}
	defer r.Close()
	target := fmt.Sprintf("/events?n=%d&every=%s", c.N, c.Every)
	began := time.Now()
	if err := r.begin(http.MethodGet, target, c.Way.host(), "\r\n"); err != nil {
		return nil, 0, err
	}
	answer, err := http.ReadResponse(r.reader, &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("answered %s", answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		text, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		now := time.Now()
		sent, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return delays, first, err
		}
		if len(delays) == 0 {
			first = now.Sub(began)
		}
		delays = append(delays, time.Duration(now.UnixNano()-sent))
	}
	if len(delays) != c.N {
		return delays, first, fmt.Errorf("%d of %d events came: %w", len(delays), c.N, lines.Err())
	}
	return delays, first, nil
}
