package testllm

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// openai is the form of OpenAI's requests and answers, which many other providers have as well.
type openai struct{}

func (openai) key(r *http.Request) string { return bearer(r) }

func bearer(r *http.Request) string {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return key
}

func (openai) fail(w http.ResponseWriter, status int, kind, message string) {
	var code any
	if status == http.StatusUnauthorized {
		kind, code = "invalid_request_error", "invalid_api_key"
	}
	reply(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": kind, "param": nil, "code": code,
	}})
}

func (openai) models() any {
	return map[string]any{"object": "list", "data": []any{
		map[string]any{"id": "stand-in", "object": "model", "created": 1, "owned_by": "nono"},
	}}
}

// schema is what a tool's arguments look like.
type schema struct {
	Properties map[string]property `json:"properties"`
}

// chatTool is a tool of a chat; that of a response has its fields at the top.
type chatTool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string `json:"name"`
		Parameters schema `json:"parameters"`
	} `json:"function"`
}

// readChat reads a request for a chat completion.
func readChat(body []byte) (conversation, error) {
	var q struct {
		Model    string     `json:"model"`
		Stream   bool       `json:"stream"`
		Tools    []chatTool `json:"tools"`
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
		if t.Type == "function" {
			c.tools = append(c.tools, tool{
				name: t.Function.Name, properties: t.Function.Parameters.Properties,
			})
		}
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

// spoken is a text, or the text of a list of parts.
type spoken string

// UnmarshalJSON implements json.Unmarshaler.
func (s *spoken) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) == nil {
		if text != nil {
			*s = spoken(*text)
		}
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		*s += spoken(p.Text)
	}
	return nil
}

func newID(prefix string) string { return prefix + rand.Text() }

// writeChat answers with a chat completion.
func writeChat(a *answer, t turn) {
	id, created := newID("chatcmpl-"), time.Now().Unix()
	reason := "stop"
	message := map[string]any{"role": "assistant", "content": t.text, "refusal": nil}
	var calls []any
	if c := t.call; c != nil {
		reason = "tool_calls"
		calls = []any{map[string]any{
			"index": 0, "id": newID("call_"), "type": "function",
			"function": map[string]any{"name": c.name, "arguments": string(c.arguments)},
		}}
		message["content"], message["tool_calls"] = nil, calls
	}
	usage := map[string]int{
		"prompt_tokens": 1, "completion_tokens": tokens(t.text), "total_tokens": 1 + tokens(t.text),
	}
	if !a.stream {
		reply(a.w, http.StatusOK, map[string]any{
			"id": id, "object": "chat.completion", "created": created, "model": a.model, "usage": usage,
			"choices": []any{map[string]any{
				"index": 0, "message": message, "logprobs": nil, "finish_reason": reason,
			}},
		})
		return
	}
	chunk := func(delta map[string]any, reason any) {
		a.event("", map[string]any{
			"id": id, "object": "chat.completion.chunk", "created": created, "model": a.model,
			"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": reason}},
		})
	}
	chunk(map[string]any{"role": "assistant", "content": ""}, nil)
	for _, p := range pieces(t.text) {
		chunk(map[string]any{"content": p}, nil)
	}
	if calls != nil {
		chunk(map[string]any{"tool_calls": calls}, nil)
	}
	chunk(map[string]any{}, reason)
	a.event("", "[DONE]")
}

// readResponses reads a request for a response.
func readResponses(body []byte) (conversation, error) {
	var q struct {
		Model  string          `json:"model"`
		Stream bool            `json:"stream"`
		Tools  []offeredTool   `json:"tools"`
		Input  json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return conversation{}, err
	}
	c := conversation{model: q.Model, stream: q.Stream}
	c.offer(q.Tools)
	if json.Unmarshal(q.Input, &c.last) == nil {
		return c, nil
	}
	var items []struct {
		Type    string        `json:"type"`
		Role    string        `json:"role"`
		Content spoken        `json:"content"`
		Tools   []offeredTool `json:"tools"`
	}
	if err := json.Unmarshal(q.Input, &items); err != nil {
		return c, err
	}
	for _, item := range items {
		c.offer(item.Tools) // of additional_tools
		switch {
		case item.Role == "assistant", strings.HasSuffix(item.Type, "_call"):
			c.turns++
		case item.Role == "user":
			c.last = string(item.Content)
		}
	}
	return c, nil
}

// offeredTool is a tool in a request for a response, or a namespace with some.
type offeredTool struct {
	Type       string        `json:"type"`
	Name       string        `json:"name"`
	Parameters schema        `json:"parameters"`
	Tools      []offeredTool `json:"tools"`
}

// offer adds tools to the conversation's.
func (c *conversation) offer(tools []offeredTool) {
	for _, t := range tools {
		switch t.Type {
		case "namespace":
			c.offer(t.Tools)
		case "function", "custom":
			c.tools = append(c.tools, tool{
				name: t.Name, properties: t.Parameters.Properties, custom: t.Type == "custom",
			})
		}
	}
}

// writeResponses answers with a response.
func writeResponses(a *answer, t turn) {
	response := map[string]any{
		"id": newID("resp_"), "object": "response", "created_at": time.Now().Unix(), "model": a.model,
		"status": "in_progress", "error": nil, "incomplete_details": nil, "instructions": nil,
		"metadata": map[string]any{}, "output": []any{}, "parallel_tool_calls": true,
		"temperature": 1, "tool_choice": "auto", "tools": []any{}, "top_p": 1,
	}
	item, text := responseItem(t)
	if a.stream {
		streamResponse(a, t, response, item, text)
	}
	item["status"], response["status"] = "completed", "completed"
	if t.call == nil {
		item["content"] = []any{text}
	}
	response["output"] = []any{item}
	response["usage"] = map[string]any{
		"input_tokens": 1, "input_tokens_details": map[string]int{"cached_tokens": 0},
		"output_tokens":         tokens(t.text),
		"output_tokens_details": map[string]int{"reasoning_tokens": 0},
		"total_tokens":          1 + tokens(t.text),
	}
	if !a.stream {
		reply(a.w, http.StatusOK, response)
		return
	}
	a.responseEvent("response.output_item.done", map[string]any{"output_index": 0, "item": item})
	a.responseEvent("response.completed", map[string]any{"response": response})
}

// responseItem is a turn as an item of a response, and, of one that says something, its text.
func responseItem(t turn) (item, text map[string]any) {
	switch c := t.call; {
	case c == nil:
		return map[string]any{
			"type": "message", "id": newID("msg_"), "role": "assistant", "status": "in_progress",
			"content": []any{},
		}, map[string]any{"type": "output_text", "text": t.text, "annotations": []any{}}
	case c.custom:
		return map[string]any{
			"type": "custom_tool_call", "id": newID("ctc_"), "call_id": newID("call_"), "name": c.name,
			"input": c.text,
		}, nil
	default:
		return map[string]any{
			"type": "function_call", "id": newID("fc_"), "call_id": newID("call_"), "name": c.name,
			"arguments": string(c.arguments), "status": "in_progress",
		}, nil
	}
}

// responseEvent sends an event, which has its number and its name in it.
func (a *answer) responseEvent(name string, fields map[string]any) {
	fields["type"], fields["sequence_number"] = name, a.events
	a.event(name, fields)
}

// streamResponse sends a response up to its end.
func streamResponse(a *answer, t turn, response, item, text map[string]any) {
	a.responseEvent("response.created", map[string]any{"response": response})
	a.responseEvent("response.in_progress", map[string]any{"response": response})
	a.responseEvent("response.output_item.added", map[string]any{"output_index": 0, "item": item})
	of := func(fields map[string]any) map[string]any {
		fields["item_id"], fields["output_index"] = item["id"], 0
		return fields
	}
	switch c := t.call; {
	case c == nil:
		in := func(fields map[string]any) map[string]any {
			fields["content_index"] = 0
			return of(fields)
		}
		empty := map[string]any{"type": "output_text", "text": "", "annotations": []any{}}
		a.responseEvent("response.content_part.added", in(map[string]any{"part": empty}))
		for _, p := range pieces(t.text) {
			a.responseEvent("response.output_text.delta",
				in(map[string]any{"delta": p, "logprobs": []any{}}))
		}
		a.responseEvent("response.output_text.done",
			in(map[string]any{"text": t.text, "logprobs": []any{}}))
		a.responseEvent("response.content_part.done", in(map[string]any{"part": text}))
	case c.custom:
		a.responseEvent("response.custom_tool_call_input.delta", of(map[string]any{"delta": c.text}))
		a.responseEvent("response.custom_tool_call_input.done", of(map[string]any{"input": c.text}))
	default:
		arguments := string(c.arguments)
		a.responseEvent("response.function_call_arguments.delta",
			of(map[string]any{"delta": arguments}))
		a.responseEvent("response.function_call_arguments.done",
			of(map[string]any{"arguments": arguments, "name": c.name}))
	}
}
