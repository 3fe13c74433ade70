# OpenAI's models. Its clients read both variables.

credential "openai" {
  upstream = "https://api.openai.com/v1"
  source   = ["keyring://openai", "env://OPENAI_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "OPENAI_API_KEY", base_url = "OPENAI_BASE_URL" }
  test     = { path = "/v1/models" }
}
