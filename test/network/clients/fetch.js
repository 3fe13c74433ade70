// Fetches each URL with node's fetch, or with its modules http and https.
const [way, ...urls] = process.argv.slice(2);

const withModules = (url) =>
  new Promise((resolve, reject) => {
    const request = require(url.split(":")[0]).get(url, { agent: false, timeout: 20000 }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(text));
      answer.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", reject);
  });

const withFetch = async (url) =>
  (await fetch(url, { signal: AbortSignal.timeout(20000) })).text();

(async () => {
  for (const url of urls) {
    let answer;
    try {
      answer = await (way === "fetch" ? withFetch : withModules)(url);
    } catch (problem) {
      answer = `${problem} ${problem.cause ?? ""}`;
    }
    console.log(answer.startsWith("reached") ? "ok" : "no: " + answer.replace(/\s+/g, " ").slice(0, 200));
  }
})();
