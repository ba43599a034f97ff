/** What limits there are, and how to see them coming. */
import { PLANS } from '#schema/plan.ts';
import type { Guide } from '../guide.ts';

const RATES = [PLANS.starter, PLANS.pro]
  .map(({ title, requestsPerMinute }) => `${requestsPerMinute} on ${title}`)
  .join(', ');

export const LIMITS: Guide = {
  id: 'limits',
  title: 'Limits',
  text: [
    `Requests a minute: ${RATES}. Every answer tells how it stands: \`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\`, in seconds. Beyond it the answer is 429 \`rate_limited\` with \`Retry-After\`. A key can have a smaller budget and fewer models than its account.`,
    `Tokens a day, renewed at 00:00 UTC: ${PLANS.starter.dailyMillitokens / 1000} on Starter, ${PLANS.pro.dailyMillitokens / 1000} on Pro. A job holds its highest possible price and settles the real one at its end; one that fails costs nothing. Beyond it the answer is 429 \`tokens_exhausted\`.`,
    'The queue has limits too: `too_many_jobs` when too many of yours are open, `queue_full` and `no_agent` (503) when the service is. The limits of each model are in `/v1/models`, and an error for a field over its limit names the field, the limit and the value sent.',
  ],
  code: {
    curl: `# The day's balance and the account's limits
curl -s "$TESSERA_URL/v1/account" -H "authorization: Bearer $TESSERA_KEY"

# How the rate stands: in the headers of every answer
curl -s -o /dev/null -D - "$TESSERA_URL/v1/account" \\
  -H "authorization: Bearer $TESSERA_KEY" | grep -i ratelimit

# What a job would cost, and whether it would be accepted now; nothing is submitted
curl -s "$TESSERA_URL/v1/jobs?dry_run=1" \\
  -H "authorization: Bearer $TESSERA_KEY" \\
  -H 'content-type: application/json' \\
  -d '{"type":"image","prompt":"a lighthouse at dusk"}'`,
    javascript: `const { TESSERA_URL, TESSERA_KEY } = process.env;
const headers = { authorization: \`Bearer \${TESSERA_KEY}\`, 'content-type': 'application/json' };

const account = await fetch(\`\${TESSERA_URL}/v1/account\`, { headers });
const { balance, error } = await account.json();
if (error) throw new Error(error.message);
console.log(\`\${balance.available} of \${balance.limit} tokens until \${balance.renews_at}\`);
console.log(\`\${account.headers.get('ratelimit-remaining')} requests left this minute\`);

const quote = await fetch(\`\${TESSERA_URL}/v1/jobs?dry_run=1\`, {
  method: 'POST',
  headers,
  body: JSON.stringify({ type: 'image', prompt: 'a lighthouse at dusk' }),
}).then((response) => response.json());
if (quote.error) throw new Error(quote.error.message);
console.log(\`\${quote.model} would cost \${quote.cost.held} tokens\`, quote.refusal?.message ?? '');`,
    python: `import os, requests

url = os.environ["TESSERA_URL"]
headers = {"authorization": f"Bearer {os.environ['TESSERA_KEY']}"}

account = requests.get(url + "/v1/account", headers=headers)
account.raise_for_status()
balance = account.json()["balance"]
print(f"{balance['available']} of {balance['limit']} tokens until {balance['renews_at']}")
print(account.headers["ratelimit-remaining"], "requests left this minute")

quote = requests.post(
    url + "/v1/jobs?dry_run=1",
    headers=headers,
    json={"type": "image", "prompt": "a lighthouse at dusk"},
)
quote.raise_for_status()
body = quote.json()
refusal = body["refusal"] or {}
print(f"{body['model']} would cost {body['cost']['held']} tokens", refusal.get("message", ""))`,
  },
};
