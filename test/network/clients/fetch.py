"""Fetches each URL with the library that is named first."""
import sys
import urllib.request


def with_urllib(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def with_requests(url):
    import requests
    return requests.get(url, timeout=20).text


def with_httpx(url):
    import httpx
    return httpx.get(url, timeout=20).text


fetch = {"urllib": with_urllib, "requests": with_requests, "httpx": with_httpx}[sys.argv[1]]
for url in sys.argv[2:]:
    try:
        answer = fetch(url)
    except Exception as problem:
        answer = str(problem)
    print("ok" if answer.startswith("reached") else "no: " + " ".join(answer.split())[:200])
