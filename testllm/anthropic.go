package testllm

import (
	"encoding/json"
	"net/http"
)

// anthropic is the form of Anthropic's requests and answers.
type anthropic struct{}

// key may stand in either of two headers. Newer clients use the one that everybody else uses.
func (anthropic) key(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return key
	}
	return bearer(r)
}

func (anthropic) fail(w http.ResponseWriter, status int, kind, message string) {
	reply(w, status, map[string]any{
		"type": "error", "error": map[string]any{"type": kind + "_error", "message": message},
		"request_id": newID("req_"),
	})
}

func (anthropic) models() any {
	return map[string]any{
		"data": []any{map[string]any{
			"type": "model", "id": "stand-in", "display_name": "Stand-in",
			"created_at": "2025-01-01T00:00:00Z",
		}},
		"has_more": false, "first_id": "stand-in", "last_id": "stand-in",
	}
}

// readMessages reads a request for a message.
func readMessages(body []byte) (conversation, error) {
	var q struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
		Tools  []struct {
			Name        string `json:"name"`
			InputSchema schema `json:"input_schema"`
		} `json:"tools"`
		Messages []struct {
			Role    string `json:"role"`
			Content spoken `json:"content"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return conversation{}, err
	}
	c := conversation{model: q.Model, stream: q.Stream}
	for _, t := range q.Tools {
		c.tools = append(c.tools, tool{name: t.Name, properties: t.InputSchema.Properties})
	}
	for _, m := range q.Messages {
		switch m.Role {
		case "assistant":
			c.turns++
		case "user":
			c.last = string(m.Content)
		}
	}
	return c, nil
}

// writeMessages answers with a message.
func writeMessages(a *answer, t turn) {
	reason := "end_turn"
	block := map[string]any{"type": "text", "text": t.text}
	if c := t.call; c != nil {
		reason = "tool_use"
		block = map[string]any{
			"type": "tool_use", "id": newID("toolu_"), "name": c.name, "input": c.arguments,
		}
	}
	usage := func(output int) map[string]int {
		return map[string]int{
			"input_tokens": 1, "output_tokens": output,
			"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
		}
	}
	message := map[string]any{
		"id": newID("msg_"), "type": "message", "role": "assistant", "model": a.model,
		"content": []any{block}, "stop_reason": reason, "stop_sequence": nil,
		"usage": usage(tokens(t.text)),
	}
	if !a.stream {
		reply(a.w, http.StatusOK, message)
		return
	}
	event := func(name string, fields map[string]any) {
		fields["type"] = name
		a.event(name, fields)
	}
	message["content"], message["stop_reason"], message["usage"] = []any{}, nil, usage(1)
	event("message_start", map[string]any{"message": message})
	begun := map[string]any{"type": "text", "text": ""}
	if t.call != nil {
		begun = map[string]any{
			"type": "tool_use", "id": block["id"], "name": t.call.name, "input": map[string]any{},
		}
	}
	event("content_block_start", map[string]any{"index": 0, "content_block": begun})
	event("ping", map[string]any{})
	delta := func(fields map[string]any) {
		event("content_block_delta", map[string]any{"index": 0, "delta": fields})
	}
	for _, p := range pieces(t.text) {
		delta(map[string]any{"type": "text_delta", "text": p})
	}
	if t.call != nil {
		delta(map[string]any{"type": "input_json_delta", "partial_json": string(t.call.arguments)})
	}
	event("content_block_stop", map[string]any{"index": 0})
	event("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": reason, "stop_sequence": nil},
		"usage": usage(tokens(t.text)),
	})
	event("message_stop", map[string]any{})
}
