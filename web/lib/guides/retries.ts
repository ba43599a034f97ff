/** Repeating a request without fear. */
import type { Guide } from '../guide.ts';

export const RETRIES: Guide = {
  id: 'idempotent-retries',
  title: 'Idempotent retries',
  text: [
    'An answer may get lost on its way while the job was made. Give each job an `Idempotency-Key` of your own, and repeat the request with it as often as you need: for 24 hours it finds the job that it made, and the answer has `idempotent-replayed: true`. The same key with another body is refused with `idempotency_conflict`.',
    'Repeat after a lost connection, after 429 and after 503, and wait for the seconds in `Retry-After`. Any other 4xx stays as it is until you change the request.',
  ],
  code: {
    curl: `# curl repeats lost connections, 429 and 503 and heeds Retry-After; the key makes it safe
curl -s --retry 5 --retry-connrefused "$TESSERA_URL/v1/jobs" \\
  -H "authorization: Bearer $TESSERA_KEY" \\
  -H 'content-type: application/json' \\
  -H "idempotency-key: order-4711" \\
  -d '{"type":"image","prompt":"a lighthouse at dusk","width":512,"height":512}'`,
    javascript: `import { randomUUID } from 'node:crypto';

const { TESSERA_URL, TESSERA_KEY } = process.env;
const TRIES = 5;

async function submit(request, key = randomUUID()) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(\`\${TESSERA_URL}/v1/jobs\`, {
      method: 'POST',
      headers: {
        authorization: \`Bearer \${TESSERA_KEY}\`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(request),
    }).catch((error) => error);
    const isLost = response instanceof Error;
    if (!isLost && response.ok) return response.json();
    const mayRepeat = isLost || response.status === 429 || response.status === 503;
    if (!mayRepeat || attempt === TRIES) {
      throw isLost ? response : new Error((await response.json()).error.message);
    }
    const seconds = isLost ? 2 ** attempt : Number(response.headers.get('retry-after'));
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000 * (1 + Math.random() / 4)));
  }
}

const job = await submit({ type: 'image', prompt: 'a lighthouse at dusk', width: 512, height: 512 });
console.log(job.id, job.status);`,
    python: `import os, random, time, uuid, requests

TRIES = 5


def submit(request, key=None):
    key = key or str(uuid.uuid4())
    for attempt in range(1, TRIES + 1):
        seconds = 2**attempt
        try:
            response = requests.post(
                os.environ["TESSERA_URL"] + "/v1/jobs",
                headers={
                    "authorization": f"Bearer {os.environ['TESSERA_KEY']}",
                    "idempotency-key": key,
                },
                json=request,
                timeout=90,
            )
            if response.ok:
                return response.json()
            if response.status_code not in (429, 503) or attempt == TRIES:
                raise RuntimeError(response.json()["error"]["message"])
            seconds = int(response.headers["retry-after"])
        except (requests.ConnectionError, requests.Timeout):
            if attempt == TRIES:
                raise
        time.sleep(seconds * (1 + random.random() / 4))


job = submit({"type": "image", "prompt": "a lighthouse at dusk", "width": 512, "height": 512})
print(job["id"], job["status"])`,
  },
};
