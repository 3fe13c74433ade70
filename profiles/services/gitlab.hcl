# GitLab's interface, which is not git itself. No variable says where it is: a client is told by its own settings.

credential "gitlab" {
  upstream = "https://gitlab.com/api"
  source   = ["keyring://gitlab", "env://GITLAB_TOKEN"]
  header   = "PRIVATE-TOKEN"
  format   = "{}"
  env      = { key = "GITLAB_TOKEN" }
}
