# Where language models are reached: the interfaces of their providers, and where claude logs in.
#
# What is sent there the provider has. To an agent with a key of its own these hosts are as good as any other for carrying data out.

network {
  allow = [
    "api.openai.com",
    "api.anthropic.com",
    "claude.ai",
    "platform.claude.com",
    "generativelanguage.googleapis.com",
    "aiplatform.googleapis.com",
    "api.groq.com",
    "api.mistral.ai",
    "api.cohere.com",
    "api.together.xyz",
    "api.fireworks.ai",
    "api.deepseek.com",
    "api.perplexity.ai",
    "inference.cerebras.ai",
    "openrouter.ai",
    "api.x.ai",
  ]
}
