/** Text as it is written. */
import type { Guide } from '../guide.ts';

export const STREAMING: Guide = {
  id: 'streaming-text',
  title: 'Streaming text',
  text: [
    'The text endpoints are OpenAI’s: any client of theirs works with the base URL set to `/v1` of this site and your key. The stream begins at once; while the job waits for a GPU, comments keep it open. A client that goes away cancels its job.',
    'Every job, of whatever type, has a stream of its own at `/v1/jobs/JOB_ID/events`: state, progress, previews and text. Reconnect with `Last-Event-ID` and nothing is missing.',
  ],
  code: {
    curl: `curl -sN "$TESSERA_URL/v1/chat/completions" \\
  -H "authorization: Bearer $TESSERA_KEY" \\
  -H 'content-type: application/json' \\
  -d '{"model":"chat","stream":true,"messages":[{"role":"user","content":"Tell me of the sea."}]}'`,
    javascript: `const { TESSERA_URL, TESSERA_KEY } = process.env;

const response = await fetch(\`\${TESSERA_URL}/v1/chat/completions\`, {
  method: 'POST',
  headers: { authorization: \`Bearer \${TESSERA_KEY}\`, 'content-type': 'application/json' },
  body: JSON.stringify({
    model: 'chat',
    stream: true,
    messages: [{ role: 'user', content: 'Tell me of the sea.' }],
  }),
});
if (!response.ok) throw new Error((await response.json()).error.message);

let rest = '';
for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines) {
    if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
    const event = JSON.parse(line.slice(6));
    if (event.error) throw new Error(event.error.message);
    process.stdout.write(event.choices[0]?.delta.content ?? '');
  }
}
console.log();`,
    python: `import json, os, requests

response = requests.post(
    os.environ["TESSERA_URL"] + "/v1/chat/completions",
    headers={"authorization": f"Bearer {os.environ['TESSERA_KEY']}"},
    json={
        "model": "chat",
        "stream": True,
        "messages": [{"role": "user", "content": "Tell me of the sea."}],
    },
    stream=True,
)
if not response.ok:
    raise RuntimeError(response.json()["error"]["message"])

response.encoding = "utf-8"
for line in response.iter_lines(decode_unicode=True):
    if not line.startswith("data: ") or line == "data: [DONE]":
        continue
    event = json.loads(line[6:])
    if "error" in event:
        raise RuntimeError(event["error"]["message"])
    for choice in event["choices"]:
        print(choice["delta"].get("content") or "", end="", flush=True)
print()`,
  },
};
