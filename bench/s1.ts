import { Answers } from "./answers.ts";
import { compareBare, compareTraffic, type Row, type TrafficRow } from "./compare.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { Model } from "./model.ts";
import { largest, type Options } from "./options.ts";
import { grouped, micro, NOTHING, print, rate, ratio, Table, times } from "./report.ts";
import { makeServices } from "./services.ts";
import { PLACES } from "./traffic.ts";

/** S1: first packets a second through kube-proxy's iptables rules, beside iptables-legacy in real namespaces. */
export async function s1(options: Options): Promise<void> {
  const { seed, sizes } = options;
  print("S1  first packets of UDP flows to cluster IPs, 3 endpoints a service, one core");
  const here = realKernelHere("iptables-legacy-restore");
  const table = new Table("services", "asked", "rules", "ours", "kernel", "ours", "kernel", "ratio");
  const all: TrafficRow[] = [];
  let headline: number | null = null;
  for (const size of sizes) {
    const services = makeServices(size, seed, "cluster");
    await withRealKernel(here, async (real) => {
      if (size === sizes[0]) {
        const row = await compareBare({ model: Model.of(null, seed), real }, services, seed, true);
        table.row("none", "endpoints", ...cells(row));
      }
      const save = iptablesSave(services);
      const model = Model.of(save, seed);
      real?.loadIptables(save);
      for (const place of PLACES) {
        const row = await compareTraffic({ services, model, real, seed }, "cluster", place);
        table.row(grouped(size), place, ...cells(row));
        all.push(row);
        if (place === "uniform") headline = row.ratio;
      }
    });
  }
  table.print();
  for (const row of all) row.compareLiteral();
  print(`  ${Answers.summary(all.map(({ answers }) => answers))}`);
  const what = `first packets/s, ours ÷ kernel iptables-legacy, ${grouped(largest(options))} services, uniform`;
  ratio("S1", headline, "must 10, aim 40", what);
}

/** Of a row: the rules walked, times, packets a second, the ratio. */
export function cells({ ours, real, ratio: factor, rules }: Row): string[] {
  return [
    grouped(rules),
    micro(ours),
    real === null ? NOTHING : micro(real),
    rate(ours),
    real === null ? NOTHING : rate(real),
    factor === null ? NOTHING : times(factor),
  ];
}
