import { Answers } from "./answers.ts";
import { compareBare, compareTraffic, type Net, type Sides, type TrafficRow } from "./compare.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { Model } from "./model.ts";
import type { Options } from "./options.ts";
import { grouped, micro, NOTHING, print, ratio, Table, times } from "./report.ts";
import { makeServices } from "./services.ts";
import { PLACES, TRAFFIC_KINDS, TRAFFIC_TEXT, targetsOf } from "./traffic.ts";

const HEADINGS = [
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

/**
 * S3: the row in which the real kernel is nearest, of every size and kind of traffic, net of plain forwarding (of plain
 * dropping by a route where packets are dropped), which is measured between the rounds of each row.
 */
export async function s3({ seed, sizes }: Options): Promise<void> {
  print("S3  first packets through mixed sets of services, net of plain forwarding");
  const here = realKernelHere("iptables-legacy-restore");
  const table = new Table(...HEADINGS);
  const all: TrafficRow[] = [];
  let worst: { readonly factor: number; readonly what: string } | null = null;
  await withRealKernel(here, async (bareKernel) => {
    const bare: Sides = { model: Model.of(null, seed), real: bareKernel };
    const some = makeServices(sizes[0] as number, seed, "mixed");
    for (const delivered of [true, false]) {
      const plain = await compareBare(bare, some, seed, delivered);
      const text = delivered ? "plain forwarding" : "dropped by a route";
      table.row("none", text, "", "0", micro(plain.ours), microOrNothing(plain.real));
    }
    for (const size of sizes) {
      const services = makeServices(size, seed, "mixed");
      const save = iptablesSave(services);
      await withRealKernel(here, async (real) => {
        const model = Model.of(save, seed);
        real?.loadIptables(save);
        for (const kind of TRAFFIC_KINDS) {
          if (targetsOf(services, kind, "uniform").length === 0) continue;
          for (const place of PLACES) {
            const row = await compareTraffic({ services, model, real, seed, bare }, kind, place);
            all.push(row);
            const { ours, real: theirs, ratio: factor } = row.net as Net;
            const what = `${grouped(size)} services, ${TRAFFIC_TEXT[kind]}, ${place}`;
            if (factor !== null && (worst === null || factor < worst.factor)) worst = { factor, what };
            table.row(
              ...[grouped(size), TRAFFIC_TEXT[kind], place, grouped(row.rules)],
              ...[micro(row.ours), microOrNothing(row.real), micro(ours), microOrNothing(theirs)],
              factor === null ? NOTHING : times(factor),
            );
          }
        }
      });
    }
  });
  table.print();
  for (const row of all) row.compareLiteral();
  print(`  ${Answers.summary(all.map(({ answers }) => answers))}`);
  const { factor, what } = worst ?? { factor: null, what: "" };
  ratio("S3", factor, "must 1, aim 4", `kernel iptables-legacy ÷ ours, both net, in the worst row: ${what}`);
}

function microOrNothing(nanoseconds: number | null): string {
  return nanoseconds === null ? NOTHING : micro(nanoseconds);
}
