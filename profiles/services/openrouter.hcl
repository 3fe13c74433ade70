# The models that OpenRouter leads to.

credential "openrouter" {
  upstream = "https://openrouter.ai/api/v1"
  source   = ["keyring://openrouter", "env://OPENROUTER_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "OPENROUTER_API_KEY", base_url = "OPENROUTER_BASE_URL" }
  test     = { path = "/api/v1/key" }
}
