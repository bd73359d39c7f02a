import { Answers } from "./answers.ts";
import { comparePlain, compareTraffic, type TrafficRow } from "./compare.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { Model } from "./model.ts";
import type { Options } from "./options.ts";
import { grouped, micro, NOTHING, print, ratio, Table, times } from "./report.ts";
import { makeServices } from "./services.ts";
import { PLACES, TRAFFIC_KINDS, TRAFFIC_TEXT, targetsOf } from "./traffic.ts";

/** S3: the row in which the real kernel is nearest, of every size and kind of traffic, net of plain forwarding. */
export async function s3({ seed, sizes }: Options): Promise<void> {
  print("S3  first packets through mixed sets of services, net of plain forwarding");
  const here = realKernelHere("iptables-legacy-restore");
  const headings = [
    "services",
    "traffic",
    "asked",
    "rules",
    "ours",
    "kernel",
    "ours net",
    "kernel net",
    "ratio",
  ];
  const table = new Table(...headings);
  const all: TrafficRow[] = [];
  let worst: { readonly factor: number; readonly what: string } | null = null;
  for (const size of sizes) {
    const services = makeServices(size, seed, "mixed");
    await withRealKernel(here, async (real) => {
      const plain = await comparePlain({ services, model: Model.of(null, seed), real, seed });
      table.row(
        grouped(size),
        "plain",
        "",
        "0",
        micro(plain.ours),
        plain.real === null ? NOTHING : micro(plain.real),
      );
      const save = iptablesSave(services);
      const model = Model.of(save, seed);
      real?.loadIptables(save);
      for (const kind of TRAFFIC_KINDS) {
        if (targetsOf(services, kind, "uniform").length === 0) continue;
        for (const place of PLACES) {
          const row = await compareTraffic({ services, model, real, seed }, kind, place);
          all.push(row);
          const ours = row.ours - plain.ours;
          const theirs = row.real === null || plain.real === null ? null : row.real - plain.real;
          // What costs no more than plain forwarding has no net to divide by.
          const factor = theirs === null ? null : theirs / Math.max(ours, 1);
          const what = `${grouped(size)} services, ${TRAFFIC_TEXT[kind]}, ${place}`;
          if (factor !== null && (worst === null || factor < worst.factor)) worst = { factor, what };
          table.row(
            grouped(size),
            TRAFFIC_TEXT[kind],
            place,
            grouped(row.rules),
            micro(row.ours),
            row.real === null ? NOTHING : micro(row.real),
            micro(ours),
            theirs === null ? NOTHING : micro(theirs),
            factor === null ? NOTHING : times(factor),
          );
        }
      }
    });
  }
  table.print();
  for (const row of all) row.compareLiteral();
  print(`  ${Answers.summary(all.map(({ answers }) => answers))}`);
  const { factor, what } = worst ?? { factor: null, what: "" };
  ratio("S3", factor, "must 1, aim 4", `kernel iptables-legacy ÷ ours, both net, in the worst row: ${what}`);
}
