"""An agent that asks both providers by their own clients for Python, in each way that people use, and prints the answers as JSON.

It is written as for the providers themselves: nothing here knows of nono.
"""

import asyncio
import json

import anthropic
import openai

ASKED = [{"role": "user", "content": "hello"}]


def openai_chat():
    return openai.OpenAI().chat.completions.create(model="stand-in", messages=ASKED).choices[0].message.content


def openai_chat_streamed():
    stream = openai.OpenAI().chat.completions.create(model="stand-in", messages=ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def openai_responses():
    return openai.OpenAI().responses.create(model="stand-in", input="hello").output_text


def openai_responses_streamed():
    with openai.OpenAI().responses.stream(model="stand-in", input="hello") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(deltas) == stream.get_final_response().output_text
        return "".join(deltas)


def openai_async():
    async def ask():
        async with openai.AsyncOpenAI() as client:
            stream = await client.chat.completions.create(model="stand-in", messages=ASKED, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    return asyncio.run(ask())


def openai_tool():
    tool = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object", "properties": {}}}}
    done = openai.OpenAI().chat.completions.create(model="stand-in", messages=ASKED, tools=[tool])
    return done.choices[0].message.content


def openai_realtime():
    """It is on a WebSocket."""
    with openai.OpenAI().realtime.connect(model="stand-in") as connection:
        connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        )
        connection.response.create()
        text = ""
        for event in connection:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.done":
                return text


def openai_models():
    return openai.OpenAI().models.list().data[0].id


def openai_own_key():
    try:
        openai.OpenAI(api_key="sk-mine", max_retries=0).models.list()
    except openai.AuthenticationError as e:
        return "refused: " + e.response.json()["error"]["type"]


def anthropic_messages():
    return anthropic.Anthropic().messages.create(model="stand-in", max_tokens=99, messages=ASKED).content[0].text


def anthropic_messages_streamed():
    with anthropic.Anthropic().messages.stream(model="stand-in", max_tokens=99, messages=ASKED) as stream:
        text = "".join(stream.text_stream)
        assert stream.get_final_message().content[0].text == text
        return text


def anthropic_models():
    return anthropic.Anthropic().models.list().data[0].id


def anthropic_own_key():
    try:
        anthropic.Anthropic(api_key="sk-ant-mine", max_retries=0).models.list()
    except anthropic.AuthenticationError as e:
        return "refused: " + e.response.json()["error"]["type"]


print(json.dumps({name: do() for name, do in list(globals().items()) if name.startswith(("openai_", "anthropic_"))}))
