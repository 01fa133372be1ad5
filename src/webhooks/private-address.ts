import { BlockList, isIP } from 'node:net';

/** What is not a public unicast address: https://www.iana.org/assignments/iana-ipv4-special-registry */
const NOT_PUBLIC_V4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Within 2000::/3, which alone is assigned: protocol assignments with Teredo, documentation, and 6to4, which leads to IPv4. */
const NOT_PUBLIC_V6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

/** Public addresses at which clouds answer with credentials. */
const METADATA = ['168.63.129.16', '100.100.100.200'];

const v4 = new BlockList();
for (const [net, prefix] of NOT_PUBLIC_V4) v4.addSubnet(net, prefix, 'ipv4');
for (const address of METADATA) v4.addAddress(address, 'ipv4');
const v6 = new BlockList();
for (const [net, prefix] of NOT_PUBLIC_V6) v6.addSubnet(net, prefix, 'ipv6');
const assigned = new BlockList();
assigned.addSubnet('2000::', 3, 'ipv6');

/**
 * Whether an address is anything but a public one: loopback, private, link-local, shared, multicast, documentation, the metadata
 * services of clouds, and IPv6 addresses that stand for IPv4 ones. What is no address at all is not public either.
 */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return v4.check(address, 'ipv4');
  // Mapped (::ffff:0:0/96), translated (64:ff9b::/96), unique local, link-local, loopback: all lie outside.
  if (family === 6) return !assigned.check(address, 'ipv6') || v6.check(address, 'ipv6');
  return true;
}
