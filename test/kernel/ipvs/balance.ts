import { parseIpv4 } from "../../../src/address/ipv4.ts";
import { ASK_DEFAULTS, ask } from "../../../src/walk/ask.ts";
import { QUERY_DEFAULTS } from "../../../src/walk/query.ts";
import type { Trace } from "../../../src/walk/trace.ts";
import { readSnapshot } from "../../../src/world/snapshot-in.ts";
import { readRecordingText } from "../../fixtures.ts";
import { ChangingWorld } from "./changing-world.ts";

/** The world of the `sched-` recordings (a client, a balancer, a host with all real servers) with services of one's own. */
export class Balance extends ChangingWorld {
  private asked = 0;

  constructor(...lines: readonly string[]) {
    const snapshot = readSnapshot("sched-rr", readRecordingText("ipvs-ipip/sched-rr"));
    if (snapshot.kind !== "ok") throw new Error("the recording cannot be read");
    super(snapshot.world, ["-C", ...lines]);
  }

  /** One of IPVS's own settings. */
  override sysctl(name: string, value: string): void {
    super.sysctl(`net.ipv4.vs.${name}`, value);
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
}
