package testllm

import (
	"encoding/json"
	"net/http"

	"golang.org/x/net/websocket"
)

// realtime serves OpenAI's realtime form: a WebSocket on which both sides send events in JSON.
func (s *Server) realtime(w http.ResponseWriter, r *http.Request) {
	websocket.Server{Handler: s.converseRealtime}.ServeHTTP(w, r)
}

// realtimeEvent is one of a client's, as far as it is understood here.
type realtimeEvent struct {
	Type string `json:"type"`
	Item struct {
		Content spoken `json:"content"`
	} `json:"item"`
}

// converseRealtime answers until the client goes away, or sends what is no event.
func (s *Server) converseRealtime(conn *websocket.Conn) {
	conn.MaxPayloadBytes = longestRequest
	send := func(name string, fields map[string]any) bool {
		fields["type"], fields["event_id"] = name, newID("event_")
		return websocket.JSON.Send(conn, fields) == nil
	}
	session := map[string]any{"id": newID("sess_"), "object": "realtime.session", "type": "realtime"}
	c := conversation{stream: true}
	for going := send("session.created", map[string]any{"session": session}); going; {
		var text []byte
		var e realtimeEvent
		if websocket.Message.Receive(conn, &text) != nil || json.Unmarshal(text, &e) != nil {
			return
		}
		switch e.Type {
		case "conversation.item.create":
			c.last = string(e.Item.Content)
		case "response.create":
			next, err := s.options.Script.next(c)
			if err != nil || next.call != nil {
				return // tools are for the other forms
			}
			c.turns++
			response := map[string]any{
				"id": newID("resp_"), "object": "realtime.response", "status": "completed",
			}
			for _, p := range pieces(next.text) {
				going = going && send("response.output_text.delta", map[string]any{
					"response_id": response["id"], "item_id": "item", "output_index": 0, "content_index": 0,
					"delta": p,
				})
			}
			going = going && send("response.done", map[string]any{"response": response})
		}
	}
}
