import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { formatIpv4, type Ipv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { internMacNumber } from "../../src/address/mac.ts";
import { maskOf } from "../../src/address/prefix.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import { DHCP_FIELD, type DhcpServer, dhcpOf } from "../../src/world/dhcp/configuration.ts";
import { addressFor, withLease, withLeases } from "../../src/world/dhcp/lease-server.ts";

/**
 * The model's lease server with real messages around it, for the real plugin's daemon to ask:
 * `node --import tsx dhcp-server.ts SERVER READY-FILE`, the server as `dhcp.servers` of a snapshot has it.
 */

const [, , configuration = "{}", ready = ""] = process.argv;
const OWN = "10.60.0.1";
const server = { device: "eth0", serverIdentifier: OWN, ...(JSON.parse(configuration) as Json) };
let host: Host = {
  ...emptyHost("outside", "external"),
  unmodelled: new Map([[DHCP_FIELD, { servers: [server] }]]),
};

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const ACK = 5;
const RELEASE = 7;
/** RFC 2131, figure 1. */
const CIADDR = 12;
const YIADDR = 16;
const SIADDR = 20;
const CHADDR = 28;
const COOKIE = 236;
const OPTIONS = 240;

const socket = createSocket({ type: "udp4", reuseAddr: true });
socket.bind(67, () => {
  socket.setBroadcast(true);
  writeFileSync(ready, "");
});
socket.on("message", (message) => {
  const options = optionsOf(message);
  const [type] = options.get(53) ?? [];
  const id = (options.get(61) ?? Buffer.alloc(0)).subarray(1).toString();
  const mac = internMacNumber(message.readUIntBE(CHADDR, 6));
  const [own] = dhcpOf(host).servers;
  if (own === undefined) return;
  const address =
    type === RELEASE
      ? message.readInt32BE(CIADDR)
      : addressFor(host, own, { id, mac, wanted: null }, 0, () => false);
  if (address === null) return;
  if (type === REQUEST || type === RELEASE) {
    const expires = type === RELEASE ? 0 : own.leaseTime;
    const memory = withLeases(host, own, withLease(own, { client: id, address, expires }));
    host = { ...host, unmodelled: new Map([[DHCP_FIELD, memory]]) };
  }
  if (type !== DISCOVER && type !== REQUEST) return;
  const requested = new Set(options.get(55) ?? []);
  socket.send(
    answer(message, type === DISCOVER ? OFFER : ACK, address, own, requested),
    68,
    "255.255.255.255",
  );
});

function optionsOf(message: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = OPTIONS; at < message.length && message[at] !== 255; ) {
    const length = message[at + 1] ?? 0;
    if (message[at] === 0) at++;
    else {
      found.set(message[at] ?? 0, message.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return found;
}

function answer(
  asked: Buffer,
  type: number,
  address: Ipv4,
  own: DhcpServer,
  requested: ReadonlySet<number>,
): Buffer {
  const head = Buffer.alloc(OPTIONS);
  asked.copy(head, 0, 0, COOKIE);
  head[0] = 2;
  head.writeInt32BE(address, YIADDR);
  head.writeInt32BE(parseIpv4(OWN) ?? 0, SIADDR);
  head.writeUInt32BE(0x63825363, COOKIE);
  const said: (readonly [number, Buffer])[] = [
    [53, Buffer.from([type])],
    [54, words(parseIpv4(OWN) ?? 0)],
    [1, words(maskOf(own.subnet.length))],
    [51, words(own.leaseTime)],
  ];
  if (requested.has(3) && own.routers.length > 0) said.push([3, words(...own.routers)]);
  if (requested.has(33) && own.staticRoutes.length > 0) {
    said.push([33, words(...own.staticRoutes.flatMap(({ dst, gw }) => [dst, gw]))]);
  }
  if (requested.has(121) && own.classlessRoutes.length > 0) {
    const routes = own.classlessRoutes.map(({ dst, gw }) =>
      Buffer.concat([
        Buffer.from([dst.length]),
        words(dst.address).subarray(0, Math.ceil(dst.length / 8)),
        words(gw),
      ]),
    );
    said.push([121, Buffer.concat(routes)]);
  }
  const options = said.map(([number, value]) => Buffer.concat([Buffer.from([number, value.length]), value]));
  console.error(`${type === OFFER ? "OFFER" : "ACK"} ${formatIpv4(address)}`);
  return Buffer.concat([head, ...options, Buffer.from([255])]);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) buffer.writeInt32BE(value | 0, i * 4);
  return buffer;
}
