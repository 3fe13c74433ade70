# The models that Together serves.

credential "together" {
  upstream = "https://api.together.xyz/v1"
  source   = ["keyring://together", "env://TOGETHER_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "TOGETHER_API_KEY", base_url = "TOGETHER_BASE_URL" }
  test     = { path = "/v1/models" }
}
