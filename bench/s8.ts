import { formatIpv4 } from "../src/address/ipv4.ts";
import type { Host } from "../src/kernel/host.ts";
import { formatIptablesSave } from "../src/kernel/netfilter/save/format.ts";
import { operations } from "../src/proxy/iptables/operations.ts";
import { IptablesProxier, type NodeRules, partialSync } from "../src/proxy/iptables/proxier.ts";
import { restoreText } from "../src/proxy/iptables/restore-text.ts";
import { changedModel, proxyModel } from "../src/proxy/model.ts";
import { Network } from "../src/walk/network.ts";
import type { World } from "../src/world/world.ts";
import { Answers } from "./answers.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { nftEndpointBase, nftServiceBase } from "./kube-proxy-names.ts";
import { nftTable } from "./kube-proxy-nft.ts";
import { breathe, median } from "./median.ts";
import { Ends, Model } from "./model.ts";
import { largest, type Options } from "./options.ts";
import {
  networkOf,
  SCENE_NODE,
  SCENE_PROXY,
  serviceObject,
  sliceObject,
  withOperations,
} from "./proxy-objects.ts";
import { Random } from "./random.ts";
import { grouped, NOTHING, print, ratio, Table } from "./report.ts";
import { otherModes } from "./s8-modes.ts";
import { makeServices, type Service } from "./services.ts";
import { packetsTo } from "./traffic.ts";

const CHANGES = 60;
/** For the compilers. */
const WARM_UP = 15;
const REAL_CHANGES = 5;

/** S8: an endpoint of one Service moves: from the objects to the first packet through the changed rules. */
export async function s8(options: Options): Promise<void> {
  const { seed } = options;
  const size = largest(options);
  const random = new Random(seed);
  const services = makeServices(size, seed, "cluster");
  print(`S8  one of ${grouped(size)} services changes: an endpoint goes, another comes`);
  const atFirst = [...services];
  const changes: Service[] = [];
  const cluster = new Cluster(services, seed);
  const ours: number[] = [];
  const syncs: string[] = [];
  const nftChanges: string[] = [];
  const answers: Answers[] = [];
  const before = formatIptablesSave(cluster.rules);
  for (let change = 0; change < WARM_UP + CHANGES; change++) {
    const index = random.below(size);
    const moved = withMovedEndpoint(services[index] as Service, random);
    services[index] = moved;
    changes.push(moved);
    const packets = packetsTo(services, "cluster", [index], 30, random);
    const ends = new Ends(packets.count);
    const { took, text } = cluster.change(moved, () => packets.head(1));
    if (change >= WARM_UP) ours.push(took);
    if (change < REAL_CHANGES) {
      syncs.push(text);
      nftChanges.push(nftChange(moved));
    }
    const own = new Answers(services, "cluster", cluster.model.server);
    cluster.model.send(packets, ends);
    own.check(packets, ends);
    if (change % 10 === 0) own.compareLiteral(cluster.model.network, seed, packets);
    answers.push(own);
    await breathe();
  }
  const legacyHere = realKernelHere("iptables-legacy-restore");
  const legacy = await withRealKernel(legacyHere, async (real) => {
    if (real === null) return null;
    real.loadIptables(before);
    return median(syncs.map((text) => real.changeIptables(text)));
  });
  const nftHere = realKernelHere("nft");
  const nft = await withRealKernel(nftHere, async (real) => {
    if (real === null) return null;
    real.loadNft(nftTable(makeServices(size, seed, "cluster")));
    return median(nftChanges.map((text) => real.loadNft(text)));
  });
  const mine = median(ours);
  const table = new Table("", "time", "of ours");
  const row = (name: string, ms: number | null) =>
    table.row(
      name,
      ms === null ? NOTHING : `${ms.toFixed(2)} ms`,
      ms === null ? NOTHING : (ms / mine).toFixed(0),
    );
  row("ours: objects, sync, apply, recompile, first packet", mine);
  row("  fastest of all changes", Math.min(...ours));
  row("  slowest of all changes", Math.max(...ours));
  const others = otherModes(atFirst, changes);
  row("ours in nftables mode: objects, sync, apply", others.nftables);
  row("ours in IPVS mode: objects, sync, apply", others.ipvs);
  row("iptables-legacy-restore --noflush", legacy);
  row("nft -f", nft);
  table.print();
  print(`  ${Answers.summary(answers)}`);
  ratio(
    "S8",
    legacy === null ? null : legacy / mine,
    "must 200, aim 2,000",
    "iptables-legacy-restore ÷ ours",
  );
  ratio("S8", nft === null ? null : nft / mine, "must 50, aim 500", "nft -f ÷ ours");
  ratio(
    "S8",
    nft === null ? null : nft / others.nftables,
    "must 50, aim 500",
    "nft -f ÷ ours in nftables mode, not recompiled",
  );
}

/** The scene with kube-proxy on its node, kept in step. */
class Cluster {
  model: Model;
  readonly #seed: number;
  readonly #world: World;
  #proxier: IptablesProxier;
  #rules: NodeRules;
  #node: Host;

  constructor(services: readonly Service[], seed: number) {
    const model = proxyModel(services.map(serviceObject), services.map(sliceObject));
    this.#seed = seed;
    this.#proxier = new IptablesProxier(model, SCENE_PROXY);
    this.#rules = this.#proxier.rulesFor(SCENE_NODE);
    this.#world = networkOf(this.#proxier).world;
    this.#node = this.#world.hosts.get("node") as Host;
    this.model = this.#compiled();
  }

  get rules() {
    return this.#node.iptables as NonNullable<Host["iptables"]>;
  }

  change(
    service: Service,
    first: () => Parameters<Model["send"]>[0],
  ): { readonly took: number; readonly text: string } {
    const one = first();
    const ends = new Ends(1);
    const object = serviceObject(service);
    const slice = sliceObject(service);
    const { namespace = "", name = "" } = object.metadata ?? {};
    const begun = performance.now();
    const model = changedModel(this.#proxier.model, [{ namespace, name }], [object], [slice]);
    this.#proxier = this.#proxier.after(model);
    const rules = this.#proxier.rulesFor(SCENE_NODE);
    const sync = partialSync(rules, this.#rules);
    this.#rules = rules;
    this.#node = withOperations(this.#node, operations(sync, this.#node.iptables));
    this.model = this.#compiled();
    this.model.send(one, ends);
    const took = performance.now() - begun;
    return { took, text: restoreText(sync) };
  }

  #compiled(): Model {
    const hosts = new Map(this.#world.hosts).set("node", this.#node);
    return new Model(new Network({ ...this.#world, hosts }), this.#seed);
  }
}

/** The last endpoint's pod is gone, another one took its place. */
function withMovedEndpoint(service: Service, random: Random): Service {
  const rest = service.endpoints.slice(0, -1);
  const port = service.endpoints[0]?.port ?? 80;
  const address = (0x0aff_0000 + random.below(0xffff)) | 0;
  const text = ({ address: a }: { readonly address: number }) => `${formatIpv4(a)}:${port}`;
  return {
    ...service,
    endpoints: [...rest, { address, port }].sort((a, b) => (text(a) < text(b) ? -1 : 1)),
  };
}

/** What the nftables mode writes for it: the new endpoint's chain, and the service's chain anew. */
function nftChange(service: Service): string {
  const goto = service.endpoints.map((e, i) => `${i} : goto endpoint-${nftEndpointBase(service, e)}`);
  const lines: string[] = [];
  for (const endpoint of service.endpoints) {
    const chain = `ip kube-proxy endpoint-${nftEndpointBase(service, endpoint)}`;
    const address = formatIpv4(endpoint.address);
    lines.push(
      `add chain ${chain}`,
      `flush chain ${chain}`,
      `add rule ${chain} ip saddr ${address} jump mark-for-masquerade`,
      `add rule ${chain} meta l4proto udp dnat to ${address}:${endpoint.port}`,
    );
  }
  const chain = `ip kube-proxy service-${nftServiceBase(service)}`;
  lines.push(
    `flush chain ${chain}`,
    `add rule ${chain} numgen random mod ${goto.length} vmap { ${goto.join(" , ")} }`,
  );
  return `${lines.join("\n")}\n`;
}
