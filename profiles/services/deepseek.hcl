# DeepSeek's models.

credential "deepseek" {
  upstream = "https://api.deepseek.com"
  source   = ["keyring://deepseek", "env://DEEPSEEK_API_KEY"]
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "DEEPSEEK_API_KEY", base_url = "DEEPSEEK_BASE_URL" }
  test     = { path = "/models" }
}
