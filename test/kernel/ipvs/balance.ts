import { parseIpv4 } from "../../../src/address/ipv4.ts";
import { applyOperations } from "../../../src/kernel/apply-operation.ts";
import type { Host } from "../../../src/kernel/host.ts";
import { ipvsadmOperations } from "../../../src/kernel/ipvs/ipvsadm-command.ts";
import { parseIpvsadm } from "../../../src/kernel/ipvs/ipvsadm-line.ts";
import { ASK_DEFAULTS, ask } from "../../../src/walk/ask.ts";
import { Network } from "../../../src/walk/network.ts";
import { QUERY_DEFAULTS } from "../../../src/walk/query.ts";
import { Session } from "../../../src/walk/session.ts";
import type { Trace } from "../../../src/walk/trace.ts";
import { readSnapshot } from "../../../src/world/snapshot-in.ts";
import type { World } from "../../../src/world/world.ts";
import { readRecordingText } from "../../fixtures.ts";

/** The world of the `sched-` recordings (a client, a balancer, a host with all real servers) with services of one's own. */
export class Balance {
  readonly session: Session;
  private world: World;
  private asked = 0;

  constructor(...lines: readonly string[]) {
    const snapshot = readSnapshot("sched-rr", readRecordingText("ipvs-ipip/sched-rr"));
    if (snapshot.kind !== "ok") throw new Error("the recording cannot be read");
    this.world = snapshot.world;
    this.change("-C");
    for (const line of lines) this.change(line);
    this.session = new Session(new Network(this.world));
  }

  /** An ipvsadm command line without the program's name. */
  ipvsadm(line: string): void {
    this.change(line);
    this.session.replaceNetwork(new Network(this.world));
  }

  sysctl(name: string, value: string): void {
    this.put(applied(this.balancer, [{ kind: "sysctl", name: `net.ipv4.vs.${name}`, value }]));
    this.session.replaceNetwork(new Network(this.world));
  }

  /** Ask from a client's address; the server's last number that answered, or what else came of it. */
  ask(options: { dst?: string; src?: number; proto?: "tcp" | "udp"; hold?: string } = {}): number | string {
    const trace = this.trace(options);
    const [outcome] = trace.outcomes;
    const server = outcome?.server;
    return server === undefined || outcome?.client.answeredBy === undefined
      ? trace.verdict.reason
      : Number(server.address.split(".")[3]);
  }

  trace({
    dst = "10.99.0.1",
    src = 2,
    proto = "tcp",
    hold,
  }: {
    dst?: string;
    src?: number;
    proto?: "tcp" | "udp";
    hold?: string;
  } = {}): Trace {
    const query = {
      ...QUERY_DEFAULTS,
      host: "client",
      proto,
      dst: parseIpv4(dst) as number,
      dport: proto === "tcp" ? 80 : 53,
      src: parseIpv4(`10.11.0.${src}`) as number,
      sport: 30_000 + this.asked++,
    };
    return ask(this.session, query, { ...ASK_DEFAULTS, ...(hold === undefined ? {} : { hold }) });
  }

  private get balancer(): Host {
    return this.world.hosts.get("lb") as Host;
  }

  private change(line: string): void {
    const parsed = parseIpvsadm(line.split(" "), 0);
    if (parsed.kind !== "ok") throw new Error(`${line}: ${parsed.message}`);
    this.put(applied(this.balancer, ipvsadmOperations(parsed.command)));
  }

  private put(host: Host): void {
    this.world = { ...this.world, hosts: new Map(this.world.hosts).set("lb", host) };
  }
}

function applied(host: Host, operations: Parameters<typeof applyOperations>[1]): Host {
  const done = applyOperations(host, operations);
  if (done.kind !== "ok") throw new Error(done.errors.map(({ message }) => message).join("; "));
  return done.host;
}
