import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** Fetches each URL with Java's own client. */
class Fetch {
  public static void main(String[] urls) throws Exception {
    HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(20)).build();
    for (String url : urls) {
      String answer;
      try {
        HttpRequest request =
            HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(20)).build();
        answer = client.send(request, HttpResponse.BodyHandlers.ofString()).body();
      } catch (Exception problem) {
        answer = problem + " " + problem.getCause();
      }
      String line = answer.replaceAll("\\s+", " ");
      System.out.println(answer.startsWith("reached")
          ? "ok" : "no: " + line.substring(0, Math.min(line.length(), 200)));
    }
  }
}
