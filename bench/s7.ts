import { Answers } from "./answers.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { nftTable } from "./kube-proxy-nft.ts";
import { breathe, median } from "./median.ts";
import { compile, Ends, Model } from "./model.ts";
import { largest, type Options } from "./options.ts";
import { Random } from "./random.ts";
import { grouped, milli, NOTHING, print, ratio, Table } from "./report.ts";
import { sceneSnapshot } from "./scene.ts";
import { makeServices } from "./services.ts";
import { packetsTo, targetsOf } from "./traffic.ts";

const ROUNDS = 5;

/** S7: from the text of a rule set to the first packet through it, beside iptables-legacy-restore and nft -f. */
export async function s7(options: Options): Promise<void> {
  const { seed } = options;
  const size = largest(options);
  const services = makeServices(size, seed, "cluster");
  const save = iptablesSave(services);
  const text = sceneSnapshot(save);
  print(
    `S7  loading ${grouped(size)} services: ${grouped(save.split("\n").length)} lines, ${(save.length / 1e6).toFixed(1)} MB`,
  );
  const legacy = realKernelHere("iptables-legacy-restore");
  const nft = realKernelHere("nft");
  const packets = packetsTo(
    services,
    "cluster",
    targetsOf(services, "cluster", "uniform"),
    300,
    new Random(seed),
  );
  const answers = new Answers(services, "cluster", 2);
  const ends = new Ends(packets.count);
  const one = packets.head(1);
  const ours: number[] = [];
  const restores: number[] = [];
  // The first round is for the compilers.
  for (let round = 0; round <= ROUNDS; round++) {
    const begun = performance.now();
    const network = compile(text);
    const model = new Model(network, seed);
    model.send(one, ends);
    const took = performance.now() - begun;
    if (round > 0) ours.push(took);
    model.send(packets, ends);
    answers.check(packets, ends);
    if (round === ROUNDS) answers.compareLiteral(network, seed, packets);
    if (legacy && round > 0) {
      await withRealKernel(true, async (real) => {
        if (real !== null) restores.push(real.loadIptables(save));
      });
    }
    await breathe();
  }
  const nftLoad = await withRealKernel(nft, async (real) => real?.loadNft(nftTable(services)) ?? null);
  const mine = median(ours);
  const restore = restores.length > 0 ? median(restores) : null;
  const table = new Table("", "time", "of ours");
  const row = (name: string, ms: number | null) =>
    table.row(name, ms === null ? NOTHING : milli(ms), ms === null ? NOTHING : (ms / mine).toFixed(1));
  row("ours: read, compile, first packet", mine);
  row("iptables-legacy-restore", restore);
  row("nft -f, the nftables mode's table", nftLoad);
  table.print();
  print(`  ${Answers.summary([answers])}`);
  ratio("S7", restore === null ? null : restore / mine, "must 3, aim 10", "iptables-legacy-restore ÷ ours");
  ratio("S7", nftLoad === null ? null : nftLoad / mine, "must 25, aim 100", "nft -f ÷ ours");
}
