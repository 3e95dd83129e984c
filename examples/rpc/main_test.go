package main

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket"
	"github.com/seed23105783/websocket/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// start serves one end of a pipe and returns the other.
func start(t *testing.T, s *server) *websocket.Conn {
	t.Helper()
	conn, client := websocket.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer conn.Close()
		s.serve(conn)
	}()
	t.Cleanup(func() {
		client.Close()
		<-served
	})
	return client
}

// send sends requests.
func send(t *testing.T, client *websocket.Conn, requests ...string) {
	t.Helper()
	for _, r := range requests {
		require.NoError(t, client.WriteMessage(websocket.TextMessage, []byte(r)))
	}
}

// requireResponse receives a response.
func requireResponse(t *testing.T, client *websocket.Conn, want string) {
	t.Helper()
	_, got, err := client.ReadMessage()
	require.NoError(t, err)
	require.JSONEq(t, want, string(got))
}

func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := start(t, newServer(methods))
		send(t, client, `{"id":1,"method":"add","params":[1,2]}`)
		requireResponse(t, client, `{"id":1,"result":3}`)
		send(t, client, `{"id":"x","method":"divide"}`)
		requireResponse(t, client, `{"id":"x","error":"no method \"divide\""}`)
		send(t, client, `add 1 2`)
		requireResponse(t, client, `{"id":null,"error":"this is no request in JSON"}`)
	})
}

// TestParallel: a call does not wait for the ones before.
func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := start(t, newServer(methods))
		begin := time.Now()
		send(t, client, `{"id":1,"method":"sleep","params":2000}`, `{"id":2,"method":"sleep","params":1000}`)
		requireResponse(t, client, `{"id":2,"result":"awake"}`)
		requireResponse(t, client, `{"id":1,"result":"awake"}`)
		require.Equal(t, 2*time.Second, time.Since(begin))
	})
}

func TestLimitOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(methods)
		s.calls = make(chan struct{}, 1)
		client := start(t, s)
		begin := time.Now()
		send(t, client, `{"id":1,"method":"sleep","params":2000}`, `{"id":2,"method":"sleep","params":1000}`)
		requireResponse(t, client, `{"id":1,"result":"awake"}`)
		requireResponse(t, client, `{"id":2,"result":"awake"}`)
		require.Equal(t, 3*time.Second, time.Since(begin))
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(methods)
		s.rate = rate{perSecond: 1, burst: 2}
		client := start(t, s)
		answer := func() (failed bool) {
			send(t, client, `{"id":1,"method":"add","params":[]}`)
			var r response
			require.NoError(t, client.ReadJSON(&r))
			require.Contains(t, []string{"", errTooFast.Error()}, r.Error)
			return r.Error != ""
		}
		require.Equal(t, []bool{false, false, true}, []bool{answer(), answer(), answer()})
		time.Sleep(time.Second)
		require.Equal(t, []bool{false, true}, []bool{answer(), answer()})
	})
}

// TestClientLeaves: calls end with the connection.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		client := start(t, newServer(map[string]method{
			"wait": func(ctx context.Context, _ json.RawMessage) (any, error) {
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil, ctx.Err()
			},
		}))
		send(t, client, `{"id":1,"method":"wait"}`)
		client.Close()
		require.Error(t, <-ended)
	})
}
