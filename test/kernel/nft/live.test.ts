import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Family } from "../../../src/address/ip.ts";
import { formatNftRuleset } from "../../../src/kernel/nft/text/format.ts";
import { ownNetns, sweepNetns } from "../../own-netns.ts";
import { generatePacket, generateTable, Random, type SentPacket } from "./generated-ruleset.ts";
import { Prerouting } from "./prerouting.ts";
import { counters, inside, read, removeNamespaces, run, whyNot } from "./real-nft.ts";
import { loaded } from "./script.ts";

/**
 * Random rule sets loaded by the real nft, random packets sent through them, and every rule's counter held against the
 * model's. Two namespaces of its own and a cable between them.
 */

const SENDER = ownNetns("sender");
const RECEIVER = ownNetns("receiver");
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap((seed) => [[4, seed] as const, [6, seed] as const]);
const PACKETS = 60;

function makeNamespaces(): void {
  for (const namespace of [SENDER, RECEIVER]) run("ip", ["netns", "add", namespace]);
  inside(SENDER, `ip link add nlive0 type veth peer name nlive1 netns ${RECEIVER}`);
  inside(SENDER, "ip link set nlive0 up");
  // Only what the test sends is counted: no neighbour discovery from the sender.
  inside(SENDER, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
  for (const line of [
    "sysctl -qw net.ipv6.conf.default.accept_dad=0",
    "sysctl -qw net.ipv6.conf.nlive1.accept_dad=0",
    "ip link set lo up",
    "ip addr add 10.77.0.2/24 dev nlive1",
    "ip addr add 10.50.0.1/32 dev nlive1",
    "ip -6 addr add fd77::2/112 dev nlive1 nodad",
    "ip -6 addr add fd50::1/128 dev nlive1 nodad",
    "ip link set nlive1 up",
    "ip route add 10.77.1.0/24 via 10.77.0.1 dev nlive1",
    "ip -6 route add fd77::1:0/112 via fd77::1 dev nlive1",
    "sysctl -qw net.ipv4.conf.all.rp_filter=0",
    "sysctl -qw net.ipv4.conf.nlive1.rp_filter=0",
  ]) {
    inside(RECEIVER, line);
  }
}

/** Frames as they are, through a packet socket: sources may be anybody's. */
const SENDER_SCRIPT = `
import json, socket, struct, sys
def csum(data):
    if len(data) % 2: data += b"\\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
job = json.load(sys.stdin)
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("nlive0", 0))
mac = bytes.fromhex(job["mac"].replace(":", ""))
own = out.getsockname()[4]
for n, p in enumerate(job["packets"]):
    six = p["family"] == 6
    family = socket.AF_INET6 if six else socket.AF_INET
    src, dst = socket.inet_pton(family, p["src"]), socket.inet_pton(family, p["dst"])
    data = bytes(p["payload"])
    proto = {"icmp": 58 if six else 1, "tcp": 6, "udp": 17}[p["proto"]]
    if p["proto"] == "icmp": l4 = struct.pack("!BBHHH", p["icmpType"], 0, 0, p["sport"], 0) + data
    elif proto == 6: l4 = struct.pack("!HHIIBBHHH", p["sport"], p["dport"], 1, 1, 0x50, p["flags"], 1000, 0, 0) + data
    else: l4 = struct.pack("!HHHH", p["sport"], p["dport"], 8 + len(data), 0) + data
    pseudo = b"" if proto == 1 else src + dst + (struct.pack("!II", len(l4), proto) if six else struct.pack("!BBH", 0, proto, len(l4)))
    c = csum(pseudo + l4)
    at = {6: 16, 17: 6}.get(proto, 2)
    l4 = l4[:at] + struct.pack("!H", c or 0xffff) + l4[at + 2:]
    if six: head = struct.pack("!IHBB", 6 << 28 | p["tos"] << 20, len(l4), proto, p["ttl"]) + src + dst
    else:
        head = struct.pack("!BBHHHBBH", 0x45, p["tos"], 20 + len(l4), n + 1, 0, p["ttl"], proto, 0) + src + dst
        head = head[:10] + struct.pack("!H", csum(head)) + head[12:]
    out.send(mac + own + (b"\\x86\\xdd" if six else b"\\x08\\x00") + head + l4)
`;

function sendAll(packets: readonly SentPacket[]): void {
  const [link] = JSON.parse(inside(RECEIVER, "ip -j link show nlive1")) as [{ address: string }];
  const input = JSON.stringify({ mac: link.address, packets });
  run("ip", ["netns", "exec", SENDER, "python3", "-c", SENDER_SCRIPT], input);
}

/** Those of which the rules read nothing that is not known, such as somebody's checksum. */
function withoutUnsure(text: string, packets: readonly SentPacket[]): readonly SentPacket[] {
  const model = new Prerouting(loaded(text));
  const kept = packets.filter((packet) => {
    model.send(packet);
    return !model.unsure;
  });
  // Without them the counting rules take the others elsewhere.
  return kept.length === packets.length ? kept : withoutUnsure(text, kept);
}

const reason = whyNot();
if (reason !== null) console.warn(`the real nft is not asked: ${reason}`);

const listed = (handles = false): string =>
  inside(RECEIVER, handles ? "nft -a list ruleset" : "nft list ruleset");

let counted = 0;

describe.skipIf(reason !== null)("random rule sets and the real nft", () => {
  beforeAll(() => {
    sweepNetns();
    makeNamespaces();
  });
  afterAll(() => {
    removeNamespaces([SENDER, RECEIVER]);
    expect(counted).toBeGreaterThan(SEEDS.length * PACKETS);
  });

  it.each(SEEDS)("IPv%i, seed %i", (family: Family, seed) => {
    const random = new Random(seed);
    const text = generateTable(random, family);
    const packets = withoutUnsure(
      text,
      Array.from({ length: PACKETS }, () => generatePacket(random, family)),
    );
    inside(RECEIVER, "nft flush ruleset");
    inside(RECEIVER, "nft -f -", text);

    // What nft lists is read and printed again byte for byte, and what is printed loads as the same.
    const before = listed();
    const ruleset = read(before);
    expect(formatNftRuleset(ruleset)).toBe(before);
    const numbered = listed(true);
    expect(formatNftRuleset(read(numbered), true)).toBe(numbered);
    const ours = formatNftRuleset(loaded(text));
    inside(RECEIVER, "nft flush ruleset");
    inside(RECEIVER, "nft -f -", ours);
    expect(listed()).toBe(before);

    sendAll(packets);
    const model = new Prerouting(loaded(text));
    for (const packet of packets) model.send(packet);
    const real = counters(read(listed()));
    const modelled = new Map([...real.keys()].map((key) => [key, model.hits.get(key) ?? 0]));
    expect(Object.fromEntries(modelled)).toEqual(Object.fromEntries(real));
    counted += [...real.values()].reduce((sum, count) => sum + count, 0);
  });
});
