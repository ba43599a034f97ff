import { describe, expect, it } from 'vitest';
import { TOKEN } from './doubles/edge-server.ts';
import { DRAIN_MS } from '#schema/limits.ts';
import { readEnv } from './env.ts';

const EMBEDDED = ['painter', 'flite', 'composer', 'animator', 'pocketsphinx'];
const GOOD = { TESSERA_URL: 'https://tessera.example', TESSERA_AGENT_TOKEN: TOKEN };

describe('settings', () => {
  it('need only the address and the token', () => {
    expect(readEnv(GOOD)).toEqual({
      ok: true,
      env: {
        url: new URL('https://tessera.example'),
        tokens: [{ pool: 'main', token: TOKEN }],
        data: '.tessera/agents/agt_01k00000000000000000000000',
        healthPort: null,
        drainMs: DRAIN_MS,
        logLevel: 'info',
        engines: EMBEDDED,
        servers: {},
        processes: {},
        classifier: null,
        processEnv: {},
      },
    });
  });

  it('take what the environment lacks from the file, and start what has a command', () => {
    const file = { ...GOOD, TESSERA_URL: 'https://other.example', TESSERA_DATA: '/srv/tessera' };
    const command = { TESSERA_SPEECH_COMMAND: 'exec kokoro', TESSERA_SPEECH_URL: 'http://h:8880' };
    const source = { TESSERA_URL: GOOD.TESSERA_URL, PATH: '/bin', TESSERA_DATA: '', ...command };
    expect(readEnv(source, file)).toMatchObject({
      env: {
        url: new URL(GOOD.TESSERA_URL),
        data: '/srv/tessera',
        processes: { speech: { command: 'exec kokoro', startMs: 300_000, onSwitch: 'stop' } },
        processEnv: { PATH: '/bin' },
      },
    });
  });

  it.each([
    ['TESSERA_KOBOLD_URL', 'TESSERA_KOBOLDCPP_URL'],
    ['TESSERA_LOGLEVEL', 'TESSERA_LOG_LEVEL'],
    ['TESSERA_TOKEN', 'TESSERA_AGENT_TOKEN'],
    ['TESSERA_AGENT_TOKENS', 'TESSERA_AGENT_TOKEN'],
  ])('that have no such name are a fault: %s', (name, nearest) => {
    expect(readEnv({ ...GOOD, [name]: 'a secret' })).toEqual({
      ok: false,
      faults: [`${name}: no such setting; the nearest is ${nearest}`],
    });
    expect(readEnv({ ...GOOD, [name]: '' }).ok).toBe(true);
  });

  it.each([
    ['TESSERA_CONFIG', 'x'],
    ['TESSERA_KEY', 'x'],
    ['TESSERA_WEBHOOK_SECRET', 'x'],
    ['TESSERA_BOOTSTRAP_PID', '1'],
    ['TESSERA_SERVICE_HOST', '10.0.0.1'],
    ['TESSERA_AGENT_SERVICE_PORT_HTTP', '80'],
    ['TESSERA_AGENT_PORT', 'tcp://10.0.0.1:8787'],
    ['TESSERA_PORT_8787_TCP_ADDR', '10.0.0.1'],
  ])('leave alone what is another program’s: %s', (name, value) => {
    expect(readEnv({ ...GOOD, [name]: value }).ok).toBe(true);
  });

  it('refuse a command of a server that has no address', () => {
    expect(readEnv({ ...GOOD, TESSERA_TEXT_COMMAND: 'llama-server' })).toMatchObject({
      faults: [expect.stringMatching(/^TESSERA_TEXT_COMMAND: set TESSERA_TEXT_URL/)],
    });
  });

  it('take an empty variable for one that is not set', () => {
    expect(readEnv({ ...GOOD, TESSERA_HEALTH_PORT: '', TESSERA_LOG_LEVEL: '' })).toMatchObject({
      env: { healthPort: null, logLevel: 'info' },
    });
  });

  it.each([
    ['TESSERA_HEALTH_PORT', '0', { healthPort: 0 }],
    ['TESSERA_DRAIN_MS', '0', { drainMs: 0 }],
    ['TESSERA_ENGINES', 'flite, painter,flite', { engines: ['flite', 'painter'] }],
    ['TESSERA_DATA', '/var/lib/tessera', { data: '/var/lib/tessera' }],
  ])('read %s=%s', (name, value, env) => {
    expect(readEnv({ ...GOOD, [name]: value })).toMatchObject({ ok: true, env });
  });

  it.each([
    ['TESSERA_URL', 'tessera.example'],
    ['TESSERA_URL', 'ftp://tessera.example'],
    ['TESSERA_AGENT_TOKEN', 'tsr_not_an_agent'],
    ['TESSERA_HEALTH_PORT', '70000'],
    ['TESSERA_HEALTH_PORT', 'http'],
    ['TESSERA_LOG_LEVEL', 'loud'],
    ['TESSERA_ENGINES', 'painter,dalle'],
  ])('say which one is wrong: %s=%s', (name, value) => {
    const result = readEnv({ ...GOOD, [name]: value });
    expect(result.ok).toBe(false);
    expect(result.ok ? [] : result.faults).toEqual([expect.stringMatching(`^${name}: .{8,}`)]);
  });

  it('take a server when its address is set, with its key and its names of models', () => {
    const more = { TESSERA_TEXT_URL: 'http://127.0.0.1:8080/v1/', TESSERA_TEXT_KEY: 'k' };
    const kobold = { TESSERA_KOBOLDCPP_URL: 'http://h:5001', TESSERA_KOBOLDCPP_ADMIN_KEY: 'a' };
    const names = { TESSERA_TEXT_MODELS: ' chat = qwen2.5:7b ', TESSERA_SPEECH_KEY: 'unused' };
    expect(readEnv({ ...GOOD, ...more, ...kobold, ...names })).toMatchObject({
      env: {
        engines: ['koboldcpp', 'text', ...EMBEDDED],
        servers: {
          koboldcpp: { url: new URL('http://h:5001'), key: null, adminKey: 'a', models: new Map() },
          text: {
            url: new URL('http://127.0.0.1:8080'),
            key: 'k',
            adminKey: null,
            models: new Map([['chat', 'qwen2.5:7b']]),
          },
        },
      },
    });
  });

  it.each([
    ['TESSERA_TEXT_URL', 'localhost:8080', /address of the server/],
    ['TESSERA_TEXT_KEY', 'two words', /without spaces/],
    ['TESSERA_TEXT_MODELS', 'chat', /a list like/],
    ['TESSERA_TEXT_MODELS', 'kokoro=x', /no text model kokoro/],
    ['TESSERA_TEXT_MODELS', 'chat=a,chat=b', /given twice/],
    ['TESSERA_ENGINES', 'painter,koboldcpp', /TESSERA_KOBOLDCPP_URL/],
  ])('say what is wrong with a server: %s=%s', (name, value, fault) => {
    const result = readEnv({ ...GOOD, [name]: value });
    expect(result.ok ? '' : result.faults.join()).toMatch(fault);
    expect(result.ok ? '' : result.faults.join()).toMatch(new RegExp(`^${name}: `));
  });

  it('take several tokens, one a pool; the oldest one names the folder', () => {
    const [older, newer] = ['01j00000000000000000000000', '01k00000000000000000000000'];
    const tokens = [`tsa_side_${newer}_`, `tsa_main_${older}_`].map((id) => id + 's'.repeat(43));
    expect(readEnv({ ...GOOD, TESSERA_AGENT_TOKEN: tokens.join(', ') })).toMatchObject({
      env: {
        tokens: [
          { pool: 'side', token: tokens[0] },
          { pool: 'main', token: tokens[1] },
        ],
        data: `.tessera/agents/agt_${older}`,
      },
    });
  });

  it.each([
    ['two of one pool', `${TOKEN},${TOKEN}`, /two tokens of one pool/],
    ['a broken one among sound ones', `${TOKEN},tsa_secret`, /set it to the token/],
    ['a comma too many', `${TOKEN},`, /set it to the token/],
  ])('refuse %s, and never repeat a token', (_, tokens, fault) => {
    const result = readEnv({ ...GOOD, TESSERA_AGENT_TOKEN: tokens });
    const faults = result.ok ? '' : result.faults.join();
    expect(faults).toMatch(fault);
    expect(faults).not.toMatch(/sss|secret/);
  });

  it('tell every fault at once, and never a token', () => {
    const result = readEnv({ TESSERA_AGENT_TOKEN: 'tsa_secret' });
    const faults = result.ok ? [] : result.faults;
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'TESSERA_URL',
      'TESSERA_AGENT_TOKEN',
    ]);
    expect(faults.join()).not.toContain('tsa_secret');
  });
});
