/** Many jobs in one request. */
import type { Guide } from '../guide.ts';

export const BATCHES: Guide = {
  id: 'batches',
  title: 'Batches',
  text: [
    'Up to a hundred jobs go in one request, which counts once against the rate limit. Each is accepted or refused by itself: the answer is 200, with a job or an error for each, in their order.',
    'An `Idempotency-Key` is for the whole request. Send the same batch again with it and no job is made twice.',
  ],
  code: {
    curl: `curl -s "$TESSERA_URL/v1/jobs/batch" \\
  -H "authorization: Bearer $TESSERA_KEY" \\
  -H 'content-type: application/json' \\
  -H 'idempotency-key: lighthouses-1' \\
  -d '{"jobs":[
    {"type":"image","prompt":"a lighthouse at dawn","width":512,"height":512},
    {"type":"image","prompt":"a lighthouse at noon","width":512,"height":512},
    {"type":"image","prompt":"a lighthouse at dusk","width":512,"height":512}
  ]}'`,
    javascript: `import { randomUUID } from 'node:crypto';

const { TESSERA_URL, TESSERA_KEY } = process.env;
const times = ['dawn', 'noon', 'dusk'];

const response = await fetch(\`\${TESSERA_URL}/v1/jobs/batch\`, {
  method: 'POST',
  headers: {
    authorization: \`Bearer \${TESSERA_KEY}\`,
    'content-type': 'application/json',
    'idempotency-key': randomUUID(),
  },
  body: JSON.stringify({
    jobs: times.map((time) => ({
      type: 'image',
      prompt: \`a lighthouse at \${time}\`,
      width: 512,
      height: 512,
      metadata: { time },
    })),
  }),
});
const body = await response.json();
if (!response.ok) throw new Error(body.error.message);
for (const [index, { job, error }] of body.jobs.entries()) {
  console.log(times[index], job ? \`\${job.id} \${job.status}\` : \`\${error.code}: \${error.message}\`);
}`,
    python: `import os, uuid, requests

times = ["dawn", "noon", "dusk"]
response = requests.post(
    os.environ["TESSERA_URL"] + "/v1/jobs/batch",
    headers={
        "authorization": f"Bearer {os.environ['TESSERA_KEY']}",
        "idempotency-key": str(uuid.uuid4()),
    },
    json={
        "jobs": [
            {
                "type": "image",
                "prompt": f"a lighthouse at {time}",
                "width": 512,
                "height": 512,
                "metadata": {"time": time},
            }
            for time in times
        ]
    },
)
body = response.json()
if not response.ok:
    raise RuntimeError(body["error"]["message"])
for time, part in zip(times, body["jobs"]):
    if "job" in part:
        print(time, part["job"]["id"], part["job"]["status"])
    else:
        print(time, part["error"]["code"], part["error"]["message"])`,
  },
};
