import { describe, expect, it } from "vitest";
import { REASONS } from "../../src/kernel/reason.ts";
import { hopscope, onRecorded, words } from "./cli.ts";

const json = async (line: string) => JSON.parse((await onRecorded(words(line))).out);

describe("how a question ends", () => {
  it.each([
    [
      "trace web-1 10.96.0.76:80 -q",
      0,
      "DELIVERED  web-1 → 10.96.0.76:80/tcp  answered by db-0, web-0 or client\n",
    ],
    ["trace host/web-1 host/db-0:8080 -q", 0, "DELIVERED  web-1 → 10.244.21.6:8080/tcp  answered by db-0\n"],
    [
      "trace pod/shop/web-1 pod/shop/db-0 -q",
      0,
      "DELIVERED  web-1 → 10.244.21.6/icmp  answered by 10.244.21.6\n",
    ],
    [
      "trace node/node1 10.96.0.76:80 -q",
      0,
      "DELIVERED  node1 → 10.96.0.76:80/tcp  answered by db-0, web-0 or client\n",
    ],
    [
      "trace 10.244.31.7 host/db-0:8080 -q",
      0,
      "DELIVERED  web-1 (10.244.31.7) → 10.244.21.6:8080/tcp  answered by db-0\n",
    ],
    [
      "trace external 172.18.0.26:10250 -q",
      0,
      "DELIVERED  internet → 172.18.0.26:10250/tcp  answered by node1\n",
    ],
    [
      "trace external/203.0.113.11 172.18.0.26 --proto icmp -q",
      0,
      "DELIVERED  laptop → 172.18.0.26/icmp  answered by 172.18.0.26\n",
    ],
    [
      "trace laptop 172.18.0.26:31342 -q",
      1,
      "DROPPED  laptop → 172.18.0.26:31342/tcp  Service shop/local has externalTrafficPolicy Local and no ready endpoint on node1\n",
    ],
    [
      "trace web-0 10.96.2.113:53/udp -q",
      1,
      "REFUSED  web-0 → 10.96.2.113:53/udp  db-0 behind Service kube-system/dns does not listen on UDP port 5353, as others behind it do, 1/2 of the time\n",
    ],
    ["trace web-1 10.96.2.45:80 -q", 1, /^(REJECTED|UNREACHABLE) {2}web-1/],
    [
      "trace web-0 host/db-0 --ttl 1 -q",
      1,
      "TTL_EXCEEDED  web-0 → 10.244.21.6/icmp  the packet began with a TTL of 1, which ran out at node1\n",
    ],
    ["trace web-0 host/db-0 --size 1472 --df -q", 1, /^TOO_BIG/],
    ["trace web-0 host/db-0 --proto esp -q", 1, /^REFUSED {2}web-0 → 10\.244\.21\.6\/esp/],
    ["trace web-0 host/db-0 --proto 253 --size 0 -q", 1, /^REFUSED {2}web-0 → 10\.244\.21\.6\/253/],
    [
      "trace 203.0.113.99 host/web-0:8080 --at host/node1:eth0 -q",
      0,
      "DELIVERED  203.0.113.99 (at node1:eth0) → 10.244.31.6:8080/tcp  answered by web-0\n",
    ],
    [
      "trace laptop 172.18.0.26:10250 --src 10.9.9.9 --tcp-flags S -q",
      0,
      "DELIVERED  laptop (10.9.9.9) → 172.18.0.26:10250/tcp  arrived\n",
    ],
  ])("%s: exit code %i", async (line, code, out) => {
    const ran = await onRecorded(words(line));
    expect(ran.err).toBe("");
    if (typeof out === "string") expect(ran.out).toBe(out);
    else expect(ran.out).toMatch(out);
    expect(ran.code).toBe(code);
  });
});

describe("the JSON form", () => {
  it("has the keys of hopscope.trace/v1", async () => {
    const trace = await json("trace web-1 10.96.0.76:80 -o json");
    expect(Object.keys(trace)).toEqual([
      "schema",
      "id",
      "query",
      "verdict",
      "outcomes",
      "remedies",
      "assumptions",
      "stats",
    ]);
    expect(trace.schema).toBe("hopscope.trace/v1");
    expect(trace.outcomes.map((outcome: { probability: unknown }) => outcome.probability)).toEqual(
      Array(3).fill({ num: 1, den: 3 }),
    );
    const [outcome] = trace.outcomes;
    expect(Object.keys(outcome)).toEqual([
      "probability",
      "verdict",
      "server",
      "servers",
      "client",
      "steps",
      "frames",
      "rules",
      "rewrites",
      "hooks",
      "conntrack",
      "mtu",
      "stats",
    ]);
    expect(outcome.server).toEqual({
      host: "db-0",
      proto: "tcp",
      address: "10.244.21.6",
      port: 8080,
      peer: { address: "10.244.31.7", port: outcome.server.peer.port },
    });
    expect(outcome.rules[0]).toMatchObject({
      packet: 1,
      phase: "request",
      host: "node1",
      backend: "iptables",
      table: "nat",
      chain: "PREROUTING",
      index: 1,
    });
    expect(outcome.rewrites[0]).toMatchObject({
      packet: 1,
      phase: "request",
      host: "node1",
      field: "dst",
      from: "10.96.0.76:80",
      to: "10.244.21.6:8080",
    });
    expect(outcome.frames[0]).toMatchObject({
      packet: 1,
      phase: "request",
      host: "web-1",
      device: "eth0",
      direction: "out",
    });
  });

  it("has the packet at every step that is about one", async () => {
    const trace = await json("trace web-1 10.96.0.76:80 -o json");
    const { steps } = trace.outcomes[0];
    const seen = new Set<number>();
    for (const step of steps) {
      if (step.packet !== undefined) seen.add(step.number);
      expect(step.packet !== undefined).toBe(seen.has(step.number));
      if (step.packet !== undefined) expect(step.packet.ip).toMatchObject({ ttl: expect.any(Number) });
    }
    expect(new Set(steps.map((step: { id: string }) => step.id)).size).toBe(steps.length);
  });

  it("shows ARP only when asked for", async () => {
    const [plain] = (await json("trace web-1 10.96.0.76:80 -o json")).outcomes;
    const [asked] = (await json("trace web-1 10.96.0.76:80 -o json --arp")).outcomes;
    expect(plain.arp).toBeUndefined();
    expect(Array.isArray(asked.arp)).toBe(true);
  });

  it("leaves steps, frames and rules out with --verdict-only", async () => {
    const [outcome] = (await json("trace web-1 10.96.0.76:80 -o json --verdict-only")).outcomes;
    expect(Object.keys(outcome)).toEqual(["probability", "verdict", "server", "servers", "client", "stats"]);
  });

  it("is one line with -o ndjson, the same value", async () => {
    const { out } = await onRecorded(words("trace web-1 10.96.0.76:80 -o ndjson"));
    expect(out.endsWith("\n")).toBe(true);
    expect(out.trimEnd()).not.toContain("\n");
    expect(JSON.parse(out)).toEqual(await json("trace web-1 10.96.0.76:80 -o json"));
  });

  it("says what is left when outcomes are limited: odds and residual make one", async () => {
    const trace = await json("trace web-1 10.96.0.76:80 -o json --outcomes 1");
    expect(trace.outcomes).toHaveLength(1);
    expect(trace.residual).toEqual({ num: 2, den: 3 });
  });

  it("follows one outcome with --seed, the same for the same seed", async () => {
    const first = await json("trace web-1 10.96.0.76:80 -o json --seed 7");
    expect(first.outcomes).toHaveLength(1);
    expect(await json("trace web-1 10.96.0.76:80 -o json --seed 7")).toEqual(first);
  });

  it("is the same byte for byte when asked twice", async () => {
    const line = words("trace laptop 172.18.0.26:32548 -o json");
    expect(await onRecorded(line)).toEqual(await onRecorded(line));
  });

  it("carries the remedies", async () => {
    const { remedies, cause } = await json("trace laptop 172.18.0.26:31342 -o json");
    expect(cause).toBe("Service shop/local has externalTrafficPolicy Local and no ready endpoint on node1");
    expect(remedies).toHaveLength(1);
    expect(remedies[0].command).toContain("externalTrafficPolicy");
  });
});

describe("a capture, -o pcapng", () => {
  const TUNNEL = ["-f", "fixtures/truth/ipvs-ipip/calico-ipip-always.json.gz"];
  const QUESTION = ["trace", ...TUNNEL, "host/pod1a", "10.100.201.7:53/udp"];
  /** Enhanced packet blocks: type 6, then the block's length. */
  const packetsOf = (bytes: Buffer | undefined): number => {
    if (bytes === undefined) return 0;
    let packets = 0;
    for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
      if (bytes.readUInt32LE(at) === 6) packets++;
    }
    return packets;
  };

  it("is bytes: a frame for each that the JSON shows, ARP's when asked for", async () => {
    const json = await hopscope([...QUESTION, "-o", "json", "--arp"]);
    const [outcome] = (JSON.parse(json.out) as { outcomes: { frames: unknown[]; arp: unknown[] }[] })
      .outcomes;
    const plain = await hopscope([...QUESTION, "-o", "pcapng"]);
    expect([plain.code, plain.err, plain.out]).toEqual([0, "", ""]);
    expect(packetsOf(plain.bytes)).toBe(outcome?.frames.length);
    const whole = await hopscope([...QUESTION, "-o", "pcapng", "--arp"]);
    expect(packetsOf(whole.bytes)).toBe((outcome?.frames.length ?? 0) + (outcome?.arp.length ?? 0));
  });

  it("is the same byte for byte when asked twice", async () => {
    const [first, second] = [
      await hopscope([...QUESTION, "-o", "pcapng"]),
      await hopscope([...QUESTION, "-o", "pcapng"]),
    ];
    expect(first.bytes?.equals(second.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  it("of several outcomes is of the first, and says so", async () => {
    const several = ["trace", "-f", "fixtures/truth/d-services-hostgw.json.gz", "host/web-1", "10.96.2.8:80"];
    const { bytes, err } = await hopscope([...several, "-o", "pcapng"]);
    expect(packetsOf(bytes)).toBeGreaterThan(0);
    expect(err).toMatch(/^\d+ outcomes: the capture is of the first \(.*\); --seed draws another\n$/);
    expect((await hopscope([...several, "-o", "pcapng", "--seed", "3"])).err).toBe("");
  });

  it.each<readonly [string, readonly string[], { readonly columns?: number }, string]>([
    [
      "a terminal",
      [],
      { columns: 80 },
      "error: -o pcapng: a capture is no text for a terminal: send it to a file or a pipe, such as > trace.pcapng\n",
    ],
    [
      "the verdict alone",
      ["-q"],
      {},
      "error: -o pcapng and --quiet contradict each other: a capture holds every frame\n",
    ],
    [
      "less than all",
      ["--verdict-only"],
      {},
      "error: -o pcapng and --verdict-only contradict each other: a capture holds every frame\n",
    ],
  ])("is refused for %s", async (_, more, outside, message) => {
    const { code, err, out, bytes } = await hopscope([...QUESTION, "-o", "pcapng", ...more], outside);
    expect([code, err, out, bytes]).toEqual([2, message, "", undefined]);
  });

  it("is refused for many questions", async () => {
    const { code, err } = await hopscope(["trace", ...TUNNEL, "--queries", "-", "-o", "pcapng"], {
      stdin: "",
    });
    expect([code, err]).toEqual([2, "error: -o pcapng: a capture is of one question: leave --queries out\n"]);
  });
});

describe("--reasons", () => {
  it("prints every reason with its sentence", async () => {
    const { out, code } = await onRecorded(["trace", "--reasons"]);
    expect(code).toBe(0);
    const flat = out.replace(/\s+/g, " ");
    for (const { name, disposition, sentence } of REASONS) {
      expect(flat).toContain(`${name} ${disposition} ${sentence.replace(/\s+/g, " ")}`);
    }
  });
});
