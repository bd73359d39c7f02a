import { describe, expect, it } from "vitest";
import { IP_CT_ESTABLISHED, IP_CT_ESTABLISHED_REPLY } from "../../../../src/kernel/conntrack/status.ts";
import { FORWARD_MASQ } from "../../../../src/kernel/ipvs/connection-flags.ts";
import { ConnectionTable } from "../../../../src/kernel/ipvs/connection-table.ts";
import { Journal } from "../../../../src/kernel/session/journal.ts";
import { IPPROTO_TCP, IPPROTO_UDP, type Packet } from "../../../../src/packet/packet.ts";
import { compiled, FakeContext, ip, packet } from "./rule-context.ts";

/** A translated connection as POSTROUTING sees its client's packets; its template is at port 443. */
const table = new ConnectionTable(new Journal());
const client = ip("10.0.0.9");
const virtual = ip("10.96.0.10");
const server = ip("10.244.1.5");
const template = table.create(IPPROTO_TCP, client, 0, virtual, 443, server, 0, 0x1000, 0);
const cp = table.create(IPPROTO_TCP, client, 1000, virtual, 80, server, 8080, FORWARD_MASQ, 0);
table.setControl(cp, template);
table.hash(cp);

const sent: Partial<Packet> = {
  ipvsProperty: true,
  protocol: IPPROTO_TCP,
  src: client,
  sport: 1000,
  dst: server,
  dport: 8080,
  ct: 0,
  ctInfo: IP_CT_ESTABLISHED,
};

describe("ipvs (xt_ipvs.c)", () => {
  it.each([
    ["--ipvs", {}, true],
    ["! --ipvs", {}, false],
    ["--ipvs", { ipvsProperty: false }, false],
    ["! --ipvs", { ipvsProperty: false }, true],
    ["--vaddr 10.96.0.10 --vport 80", {}, true],
    ["--vaddr 10.96.0.10 --vport 80", { ipvsProperty: false }, false],
    ["--vaddr 10.96.0.0/24", {}, true],
    ["--vaddr 10.97.0.0/24", {}, false],
    ["! --vaddr 10.97.0.0/24", {}, true],
    ["--vport 8080", {}, false],
    ["! --vport 8080", {}, true],
    ["--vproto 6", {}, true],
    ["--vproto 17", {}, false],
    ["! --vproto 6", {}, false],
    ["--vproto 17", { protocol: IPPROTO_UDP }, false],
    ["--vmethod MASQ", {}, true],
    ["--vmethod GATE", {}, false],
    ["! --vmethod IPIP", {}, true],
    ["--vportctl 443", {}, true],
    ["--vportctl 80", {}, false],
    ["--vdir ORIGINAL", {}, true],
    ["--vdir REPLY", {}, false],
    ["--vdir REPLY", { ctInfo: IP_CT_ESTABLISHED_REPLY }, true],
    ["--vdir ORIGINAL", { ct: -1 }, false],
    ["--vaddr 10.96.0.10", { sport: 1001 }, false],
    // An answer is not looked for by its own ends.
    ["--vaddr 10.96.0.10", { src: virtual, sport: 80, dst: client, dport: 1000 }, false],
  ] as const)("%s, %j: %s", (options, change, hit) => {
    const context = Object.assign(new FakeContext().asContext(), { ipvsConnections: table });
    expect(compiled(`-m ipvs ${options}`).test(packet({ ...sent, ...change }), context)).toBe(hit);
  });
});
