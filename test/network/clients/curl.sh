# Fetches each URL with curl.
for url in "$@"; do
  if answer=$(curl -sS -g -m 20 "$url" 2>&1); then
    case $answer in reached*) echo ok ;; *) echo "no: $(echo "$answer" | head -n 1)" ;; esac
  else
    echo "no: $(echo "$answer" | head -n 1)"
  fi
done
