# Anthropic's models. Its clients read both variables.

credential "anthropic" {
  upstream = "https://api.anthropic.com"
  source   = ["keyring://anthropic", "env://ANTHROPIC_API_KEY"]
  header   = "x-api-key"
  format   = "{}"
  env      = { key = "ANTHROPIC_API_KEY", base_url = "ANTHROPIC_BASE_URL" }
  test     = { path = "/v1/models", header = "anthropic-version: 2023-06-01" }
}
