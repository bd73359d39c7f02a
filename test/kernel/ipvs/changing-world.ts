import { applyOperations } from "../../../src/kernel/apply-operation.ts";
import type { Host } from "../../../src/kernel/host.ts";
import { ipvsadmOperations } from "../../../src/kernel/ipvs/ipvsadm-command.ts";
import { parseIpvsadm } from "../../../src/kernel/ipvs/ipvsadm-line.ts";
import { Network } from "../../../src/walk/network.ts";
import { Session } from "../../../src/walk/session.ts";
import type { World } from "../../../src/world/world.ts";

/** A world whose host `lb` balances, and is changed between questions of one session. */
export class ChangingWorld {
  readonly session: Session;
  private world: World;

  /** @param lines `ipvsadm` command lines without the program's name, given before the session begins */
  constructor(world: World, lines: readonly string[]) {
    this.world = world;
    for (const line of lines) this.change(line);
    this.session = new Session(new Network(this.world));
  }

  /** An ipvsadm command line without the program's name. */
  ipvsadm(line: string): void {
    this.change(line);
    this.session.replaceNetwork(new Network(this.world));
  }

  sysctl(name: string, value: string): void {
    this.apply([{ kind: "sysctl", name, value }]);
    this.session.replaceNetwork(new Network(this.world));
  }

  private change(line: string): void {
    const parsed = parseIpvsadm(line.split(" "), 0);
    if (parsed.kind !== "ok") throw new Error(`${line}: ${parsed.message}`);
    this.apply(ipvsadmOperations(parsed.command));
  }

  private apply(operations: Parameters<typeof applyOperations>[1]): void {
    const done = applyOperations(this.world.hosts.get("lb") as Host, operations);
    if (done.kind !== "ok") throw new Error(done.errors.map(({ message }) => message).join("; "));
    this.world = { ...this.world, hosts: new Map(this.world.hosts).set("lb", done.host) };
  }
}
