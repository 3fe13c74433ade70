# xAI's models.

credential "xai" {
  upstream = "https://api.x.ai/v1"
  source   = ["keyring://xai", "env://XAI_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "XAI_API_KEY", base_url = "XAI_BASE_URL" }
  test     = { path = "/v1/models" }
}
