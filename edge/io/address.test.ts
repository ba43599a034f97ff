import { describe, expect, it } from 'vitest';
import { checkUrl, isPublic } from './address.ts';
import type { AddressPolicy } from './address.ts';

const STRICT: AddressPolicy = { allowsLoopback: false, ownOrigin: 'https://tessera.example.com' };
const LOCAL: AddressPolicy = { allowsLoopback: true, ownOrigin: null };

describe('a URL that is called', () => {
  it.each([
    ['https://example.com/hook', 'https://example.com/hook'],
    ['https://example.com:443/hook?a=1', 'https://example.com/hook?a=1'],
    ['https://hooks.example.co.uk:8443/', 'https://hooks.example.co.uk:8443/'],
    ['https://EXAMPLE.com./hook', 'https://example.com./hook'],
    ['https://bücher.example.net/', 'https://xn--bcher-kva.example.net/'],
    ['https://8.8.8.8/hook', 'https://8.8.8.8/hook'],
    ['https://[2606:4700:4700::1111]/', 'https://[2606:4700:4700::1111]/'],
    ['  https://example.com/hook  ', 'https://example.com/hook'],
    ['https://example.com\\@evil.net/', 'https://example.com/@evil.net/'],
    ['https://my_hook.example.com/', 'https://my_hook.example.com/'],
  ])('%s', (sent, called) => {
    const checked = checkUrl(sent, STRICT);
    expect(checked.ok && checked.value.href).toBe(called);
  });
});

describe('a URL that is refused', () => {
  it.each([
    // No URLs, or of other schemes.
    ['', 'malformed'],
    ['example.com/hook', 'malformed'],
    ['//example.com/hook', 'malformed'],
    ['https://', 'malformed'],
    ['https://exa mple.com/', 'malformed'],
    ['https://example.com:99999/', 'malformed'],
    ['https://[::1', 'malformed'],
    ['https://[fe80::1%25eth0]/', 'malformed'],
    ['https://256.256.256.256/', 'malformed'],
    ['https://1.2.3.4.5/', 'malformed'],
    ['http://example.com/', 'scheme'],
    ['ftp://example.com/', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['gopher://example.com/', 'scheme'],
    ['data:text/plain,hello', 'scheme'],
    ['javascript:alert(1)', 'scheme'],
    ['ws://example.com/', 'scheme'],
    // Credentials.
    ['https://user:pass@example.com/', 'credentials'],
    ['https://user@example.com/', 'credentials'],
    ['https://example.com@127.0.0.1/', 'credentials'],
    ['https://:pass@example.com/', 'credentials'],
    // Ports of other services.
    ['https://example.com:22/', 'port'],
    ['https://example.com:25/', 'port'],
    ['https://example.com:80/', 'port'],
    ['https://example.com:6379/', 'port'],
    ['https://example.com:8080/', 'port'],
    ['https://127.0.0.1:5432/', 'port'],
    // Loopback, in all notations that a URL knows.
    ['https://127.0.0.1/', 'private'],
    ['https://127.0.0.1./', 'private'],
    ['https://127.1/', 'private'],
    ['https://127.255.255.254/', 'private'],
    ['https://2130706433/', 'private'],
    ['https://0x7f000001/', 'private'],
    ['https://0x7f.0x0.0x0.0x1/', 'private'],
    ['https://017700000001/', 'private'],
    ['https://0177.0.0.01/', 'private'],
    ['https://127.0.0.0x1/', 'private'],
    ['https://１２７.０.０.１/', 'private'],
    ['https://127。0。0。1/', 'private'],
    ['https://%31%32%37.0.0.1/', 'private'],
    ['https://0/', 'private'],
    ['https://0.0.0.0/', 'private'],
    ['https://[::]/', 'private'],
    ['https://[::1]/', 'private'],
    ['https://[0:0:0:0:0:0:0:1]/', 'private'],
    // IPv4 inside IPv6.
    ['https://[::ffff:127.0.0.1]/', 'private'],
    ['https://[::ffff:7f00:1]/', 'private'],
    ['https://[::ffff:8.8.8.8]/', 'private'],
    ['https://[::127.0.0.1]/', 'private'],
    ['https://[64:ff9b::169.254.169.254]/', 'private'],
    ['https://[64:ff9b:1::10.0.0.1]/', 'private'],
    ['https://[2002:7f00:1::]/', 'private'],
    ['https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/', 'private'],
    // Private and carrier networks, link-local and metadata addresses.
    ['https://10.0.0.1/', 'private'],
    ['https://167772161/', 'private'],
    ['https://172.16.0.1/', 'private'],
    ['https://172.31.255.255/', 'private'],
    ['https://192.168.1.1/', 'private'],
    ['https://100.64.0.1/', 'private'],
    ['https://100.100.100.200/', 'private'],
    ['https://169.254.169.254/latest/meta-data/', 'private'],
    ['https://0xa9fea9fe/', 'private'],
    ['https://169.254.170.2/', 'private'],
    ['https://168.63.129.16/', 'private'],
    ['https://192.0.0.192/', 'private'],
    ['https://[fd00:ec2::254]/', 'private'],
    ['https://[fc00::1]/', 'private'],
    ['https://[fe80::1]/', 'private'],
    ['https://[fec0::1]/', 'private'],
    // Reserved, for documentation, benchmarks and many at once.
    ['https://192.0.2.1/', 'private'],
    ['https://198.18.0.1/', 'private'],
    ['https://198.51.100.1/', 'private'],
    ['https://203.0.113.1/', 'private'],
    ['https://224.0.0.1/', 'private'],
    ['https://240.0.0.1/', 'private'],
    ['https://255.255.255.255/', 'private'],
    ['https://[ff02::1]/', 'private'],
    ['https://[2001:db8::1]/', 'private'],
    ['https://[3fff::1]/', 'private'],
    ['https://[5f00::1]/', 'private'],
    ['https://[4000::1]/', 'private'],
    ['https://[100::1]/', 'private'],
    // Names that are not of the public Internet.
    ['https://localhost/', 'private'],
    ['https://LOCALHOST./', 'private'],
    ['https://ｌｏｃａｌｈｏｓｔ/', 'private'],
    ['https://api.localhost/', 'private'],
    ['https://printer.local/', 'private'],
    ['https://metadata.google.internal/', 'private'],
    ['https://METADATA.google.internal./', 'private'],
    ['https://router/', 'private'],
    ['https://intranet/', 'private'],
    ['https://nas.home.arpa/', 'private'],
    ['https://1.0.0.127.in-addr.arpa/', 'private'],
    ['https://service.corp/', 'private'],
    ['https://abc.onion/', 'private'],
    ['https://example.com../', 'private'],
    // Ourselves.
    ['https://tessera.example.com/v1/jobs', 'own'],
    ['https://Tessera.Example.com.:8443/', 'own'],
  ])('%s (%s)', (sent, fault) => {
    expect(checkUrl(sent, STRICT)).toEqual({ ok: false, error: fault });
  });
});

describe('where receivers on the own machine are allowed', () => {
  it('plain http to 127.0.0.1 is called at any port', () => {
    const checked = checkUrl('http://127.0.0.1:49152/hook', LOCAL);
    expect(checked.ok && checked.value.href).toBe('http://127.0.0.1:49152/hook');
  });

  it.each([
    ['http://127.0.0.2:80/', 'scheme'],
    ['http://localhost:3000/', 'scheme'],
    ['http://[::1]:3000/', 'scheme'],
    ['http://192.168.1.1/', 'scheme'],
    ['http://user@127.0.0.1/', 'credentials'],
    ['https://127.0.0.1/', 'private'],
    ['https://10.0.0.1/', 'private'],
  ])('%s is still refused (%s)', (sent, fault) => {
    expect(checkUrl(sent, LOCAL)).toEqual({ ok: false, error: fault });
  });
});

describe('an address that a resolver answers', () => {
  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1', '2a00:1450::1'])(
    '%s is public',
    (address) => expect(isPublic(address)).toBe(true),
  );

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    '100.127.255.255',
    '::1',
    '::ffff:8.8.8.8',
    'fe80::1%eth0',
    '2606:4700::1%1',
    'fd12:3456::1',
    '8.8.8',
    '134744072',
    '0x08080808',
    '010.8.8.8',
    'example.com',
    '',
  ])('%s is not', (address) => expect(isPublic(address)).toBe(false));
});
