# Google's models. Its clients read both variables.

credential "gemini" {
  upstream = "https://generativelanguage.googleapis.com"
  source   = ["keyring://gemini", "env://GEMINI_API_KEY"]
  header   = "x-goog-api-key"
  format   = "{}"
  env      = { key = "GEMINI_API_KEY", base_url = "GOOGLE_GEMINI_BASE_URL" }
  test     = { path = "/v1beta/models" }
}
