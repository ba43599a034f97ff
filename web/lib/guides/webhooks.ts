/** Being told, and knowing by whom. */
import type { Guide } from '../guide.ts';

export const WEBHOOKS: Guide = {
  id: 'webhooks',
  title: 'Webhooks, verified',
  text: [
    'Register an endpoint once, or name one in `webhook` of a single job. Each message is `{ type, timestamp, data }`, signed as standardwebhooks.com describes: verify it over the raw body, before you parse it, and drop what is older than five minutes. The secret is shown when the endpoint is made.',
    'Answer with any 2xx within fifteen seconds. Otherwise we try ten times over two hours, always with the same `webhook-id`: remember it, since a message may come twice.',
  ],
  code: {
    curl: `# Register; the answer has the secret, whsec_…, which is shown once
curl -s "$TESSERA_URL/v1/webhooks" \\
  -H "authorization: Bearer $TESSERA_KEY" \\
  -H 'content-type: application/json' \\
  -d '{"url":"https://example.com/hooks/tessera","events":["job.completed","job.failed"]}'

# Verify a message by hand: HMAC-SHA256 over id.timestamp.body, in base64
verify() { # secret id timestamp body-file
  local key=$(printf %s "\${1#whsec_}" | base64 -d | od -An -tx1 | tr -d ' \\n')
  { printf '%s.%s.' "$2" "$3"; cat "$4"; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64
}
# Compare its output with each "v1,…" of the header webhook-signature`,
    javascript: `import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = Buffer.from(process.env.TESSERA_WEBHOOK_SECRET.replace('whsec_', ''), 'base64');
const seen = new Set();

function isGenuine(headers, body) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < 300)) return false;
  const expected = createHmac('sha256', key).update(\`\${id}.\${timestamp}.\`).update(body).digest();
  return (headers['webhook-signature'] ?? '').split(' ').some((signature) => {
    const given = Buffer.from(signature.replace('v1,', ''), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isGenuine(request.headers, body)) return response.writeHead(401).end();
  const id = request.headers['webhook-id'];
  if (!seen.has(id)) {
    seen.add(id);
    const { type, data } = JSON.parse(body);
    console.log(type, data.id, data.artifacts?.[0]?.url ?? '');
  }
  response.writeHead(204).end();
}).listen(Number(process.env.PORT ?? 3000));`,
    python: `import base64, hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, HTTPServer

key = base64.b64decode(os.environ["TESSERA_WEBHOOK_SECRET"].replace("whsec_", ""))
seen = set()


def is_genuine(headers, body):
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "0")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one, "v1," + expected) for one in given)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_genuine(self.headers, body):
            self.send_response(401)
        else:
            if self.headers["webhook-id"] not in seen:
                seen.add(self.headers["webhook-id"])
                message = json.loads(body)
                print(message["type"], message["data"].get("id"), flush=True)
            self.send_response(204)
        self.end_headers()


HTTPServer(("", int(os.environ.get("PORT", 3000))), Receiver).serve_forever()`,
  },
};
