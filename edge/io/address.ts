/**
 * Where a request on a user's behalf may go: public https hosts, by name or address, on usual
 * ports. Everything else is refused: private, loopback, link-local, metadata, carrier and
 * reserved addresses, in whatever notation (the URL parser brings decimal, octal, hex and
 * full-width ones into one form), names that only an inner network knows, and our own host.
 * Does no IO: what a name stands for is looked up in outbound.ts and judged here.
 */
import ipaddr from 'ipaddr.js';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { OutboundSettings } from '../env.ts';

/** What a deployment allows beyond, at any port, and who it is itself. */
export type AddressPolicy = Pick<OutboundSettings, 'allowsLoopback' | 'ownOrigin'>;

/** What is wrong with a URL. */
export type UrlFault = 'malformed' | 'scheme' | 'credentials' | 'port' | 'private' | 'own';

/** https, and the ports that Cloudflare itself serves it on. */
const PORTS: ReadonlySet<string> = new Set(['', '8443', '2053', '2083', '2087', '2096']);

/** Names that no public resolver knows, and what is under them (RFC 6761, RFC 6762, RFC 8375). */
const INNER_NAMES = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'arpa',
  'test',
  'invalid',
  'example',
  'onion',
  'alt',
] as const;

/** Public by its number, but Azure's own metadata server answers there. */
const AZURE = '168.63.129.16';
/** All that is routed of IPv6 today (RFC 4291, iana.org/assignments/ipv6-address-space). */
const ROUTED: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/** The URL as it is to be called, or what is wrong with it. */
export function checkUrl(text: string, policy: AddressPolicy): Result<URL, UrlFault> {
  const url = URL.parse(text);
  if (!url) return fail('malformed');
  if (url.username !== '' || url.password !== '') return fail('credentials');
  if (policy.allowsLoopback && url.protocol === 'http:' && url.hostname === '127.0.0.1') {
    return ok(url);
  }
  if (url.protocol !== 'https:') return fail('scheme');
  if (!PORTS.has(url.port)) return fail('port');
  const address = literalOf(url);
  if (address !== null) return isPublic(address) ? ok(url) : fail('private');
  const name = nameOf(url);
  if (!isPublicName(name)) return fail('private');
  const own = policy.ownOrigin === null ? null : URL.parse(policy.ownOrigin);
  if (own && nameOf(own) === name) return fail('own');
  return ok(url);
}

/** The address that a URL's host is, or null for a name. */
export function literalOf({ hostname }: URL): string | null {
  const text = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(text) ? text : null;
}

/** The name of a host: lower case, without the dot of the root. */
export function nameOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, '').toLowerCase();
}

/** Whether packets to this address leave for the public Internet. False for what is no address. */
export function isPublic(text: string): boolean {
  // Only the four-part form: what else the library takes for IPv4 is not what resolvers answer.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv6) return address.match(ROUTED) && address.zoneId === undefined;
  return address.toString() !== AZURE;
}

function isPublicName(name: string): boolean {
  const labels = name.split('.');
  if (labels.length < 2 || labels.includes('')) return false;
  const last = labels.at(-1)!;
  return !(INNER_NAMES as readonly string[]).includes(last);
}
