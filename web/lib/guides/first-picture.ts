/** From nothing to a picture on the disk. */
import type { Guide } from '../guide.ts';

export const FIRST_PICTURE: Guide = {
  id: 'first-picture',
  title: 'First picture',
  text: [
    'A job is submitted, waits for a GPU, runs and leaves its results at signed URLs that work for an hour; ask for the job again to get new ones. With `Prefer: wait=60` the answer comes when the job has ended, or after 60 seconds as it stands then.',
    'Leave the model out and the first one that is online is taken. Add `?dry_run=1` to learn the price and the waiting time without submitting anything.',
  ],
  code: {
    curl: `curl -s "$TESSERA_URL/v1/jobs" \\
  -H "authorization: Bearer $TESSERA_KEY" \\
  -H 'content-type: application/json' \\
  -H 'prefer: wait=60' \\
  -d '{"type":"image","prompt":"a lighthouse at dusk","width":768,"height":512}' \\
  | tee job.json

# The address of the picture is in artifacts[0].url
curl -s -o lighthouse.png "$(grep -o '"url":"[^"]*' job.json | head -1 | cut -d'"' -f4)"`,
    javascript: `import { writeFile } from 'node:fs/promises';

const { TESSERA_URL, TESSERA_KEY } = process.env;
const headers = { authorization: \`Bearer \${TESSERA_KEY}\`, 'content-type': 'application/json' };

async function call(path, options = {}) {
  const response = await fetch(TESSERA_URL + path, { ...options, headers: { ...headers, ...options.headers } });
  const body = await response.json();
  if (!response.ok) throw new Error(\`\${body.error.code}: \${body.error.message}\`);
  return body;
}

let job = await call('/v1/jobs', {
  method: 'POST',
  headers: { prefer: 'wait=60' },
  body: JSON.stringify({ type: 'image', prompt: 'a lighthouse at dusk', width: 768, height: 512 }),
});
while (!['completed', 'failed', 'cancelled'].includes(job.status)) {
  console.log(job.status, job.queue?.reason ?? '');
  await new Promise((resolve) => setTimeout(resolve, 2000));
  job = await call(\`/v1/jobs/\${job.id}\`);
}
if (job.status !== 'completed') throw new Error(job.error?.message ?? job.status);

const picture = await fetch(job.artifacts[0].url);
await writeFile('lighthouse.png', Buffer.from(await picture.arrayBuffer()));
console.log('lighthouse.png for', job.cost.settled, 'tokens');`,
    python: `import os, time, requests

url = os.environ["TESSERA_URL"]
session = requests.Session()
session.headers["authorization"] = f"Bearer {os.environ['TESSERA_KEY']}"


def call(method, path, **options):
    response = session.request(method, url + path, **options)
    body = response.json()
    if not response.ok:
        raise RuntimeError(f"{body['error']['code']}: {body['error']['message']}")
    return body


job = call(
    "POST",
    "/v1/jobs",
    headers={"prefer": "wait=60"},
    json={"type": "image", "prompt": "a lighthouse at dusk", "width": 768, "height": 512},
)
while job["status"] not in ("completed", "failed", "cancelled"):
    print(job["status"], (job["queue"] or {}).get("reason", ""))
    time.sleep(2)
    job = call("GET", f"/v1/jobs/{job['id']}")
if job["status"] != "completed":
    raise RuntimeError((job["error"] or {}).get("message", job["status"]))

with open("lighthouse.png", "wb") as file:
    file.write(requests.get(job["artifacts"][0]["url"]).content)
print("lighthouse.png for", job["cost"]["settled"], "tokens")`,
  },
};
