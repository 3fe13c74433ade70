// An agent that asks both providers by their own clients for Node, in each way that people use, and prints the answers as JSON.
// It is written as for the providers themselves: nothing here knows of nono.

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const messages = [{ role: "user", content: "hello" }];
const model = "stand-in";

async function joined(stream, of) {
  let text = "";
  for await (const part of stream) text += of(part) ?? "";
  return text;
}

async function refused(asking) {
  try {
    await asking;
  } catch (e) {
    return `refused: ${e.error?.type}, ${e.status}`;
  }
}

const ways = {
  openai_chat: async () => (await new OpenAI().chat.completions.create({ model, messages })).choices[0].message.content,
  openai_chat_streamed: async () =>
    joined(await new OpenAI().chat.completions.create({ model, messages, stream: true }), (c) => c.choices[0].delta.content),
  openai_responses: async () => (await new OpenAI().responses.create({ model, input: "hello" })).output_text,
  openai_responses_streamed: async () =>
    joined(await new OpenAI().responses.create({ model, input: "hello", stream: true }), (e) =>
      e.type === "response.output_text.delta" ? e.delta : "",
    ),
  openai_models: async () => (await new OpenAI().models.list()).data[0].id,
  openai_own_key: () => refused(new OpenAI({ apiKey: "sk-mine", maxRetries: 0 }).models.list()),
  anthropic_messages: async () => (await new Anthropic().messages.create({ model, max_tokens: 99, messages })).content[0].text,
  anthropic_messages_streamed: async () => {
    const stream = new Anthropic().messages.stream({ model, max_tokens: 99, messages });
    const text = await joined(stream, (e) => (e.type === "content_block_delta" ? e.delta.text : ""));
    if ((await stream.finalText()) !== text) throw new Error("the stream and its end differ");
    return text;
  },
  anthropic_models: async () => (await new Anthropic().models.list()).data[0].id,
  anthropic_own_key: () => refused(new Anthropic({ apiKey: "sk-ant-mine", maxRetries: 0 }).models.list()),
};

const answers = {};
for (const [name, way] of Object.entries(ways)) answers[name] = await way();
console.log(JSON.stringify(answers));
