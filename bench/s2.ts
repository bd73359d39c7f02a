import { Answers } from "./answers.ts";
import { compareTraffic, type TrafficRow } from "./compare.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { nftTable } from "./kube-proxy-nft.ts";
import { Model } from "./model.ts";
import { largest, type Options } from "./options.ts";
import { grouped, milli, print, ratio, Table } from "./report.ts";
import { cells } from "./s1.ts";
import { makeServices } from "./services.ts";
import { PLACES } from "./traffic.ts";

/** S2: our iptables rules, and our verdict maps, beside those of kube-proxy's nftables mode in the real kernel. */
export async function s2(options: Options): Promise<void> {
  const { seed } = options;
  const size = largest(options);
  print("S2  first packets of UDP flows to cluster IPs: ours beside the kernel's nft verdict maps");
  const here = realKernelHere("nft");
  const services = makeServices(size, seed, "cluster");
  const table = new Table(
    "services",
    "our mode",
    "asked",
    "our rules",
    "ours",
    "kernel nft",
    "ours",
    "kernel nft",
    "ratio",
  );
  const all: TrafficRow[] = [];
  let headline: number | null = null;
  await withRealKernel(here, async (real) => {
    const nft = nftTable(services);
    const models = [
      ["iptables", Model.of(iptablesSave(services), seed)],
      ["nftables", loadedNft(nft, seed)],
    ] as const;
    if (real !== null) print(`  loaded by nft in ${milli(real.loadNft(nft))}`);
    for (const [mode, model] of models) {
      for (const place of PLACES) {
        const row = await compareTraffic({ services, model, real, seed }, "cluster", place);
        table.row(grouped(size), mode, place, ...cells(row));
        all.push(row);
        if (mode === "iptables") headline = row.ratio;
      }
    }
  });
  table.print();
  for (const row of all) row.compareLiteral();
  print(`  ${Answers.summary(all.map(({ answers }) => answers))}`);
  const what = `first packets/s, ours (iptables mode) ÷ kernel nft verdict maps, ${grouped(size)} services, uniform`;
  ratio("S2", headline, "must 5, aim 15", what);
}

/** Our verdict maps, and how long it takes to read and compile them. */
function loadedNft(text: string, seed: number): Model {
  const begun = performance.now();
  const model = Model.ofNft(text, seed);
  print(`  read and compiled by us in ${milli(performance.now() - begun)}`);
  return model;
}
