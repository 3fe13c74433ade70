# Mistral's models.

credential "mistral" {
  upstream = "https://api.mistral.ai/v1"
  source   = ["keyring://mistral", "env://MISTRAL_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "MISTRAL_API_KEY", base_url = "MISTRAL_BASE_URL" }
  test     = { path = "/v1/models" }
}
