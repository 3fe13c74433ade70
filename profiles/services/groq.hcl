# Groq's models, as OpenAI's clients reach them.

credential "groq" {
  upstream = "https://api.groq.com/openai/v1"
  source   = ["keyring://groq", "env://GROQ_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "GROQ_API_KEY", base_url = "GROQ_BASE_URL" }
  test     = { path = "/openai/v1/models" }
}
