import { Answers } from "./answers.ts";
import { compareTraffic, type TrafficRow } from "./compare.ts";
import { realKernelHere, withRealKernel } from "./kernel/with-real-kernel.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { compile, Model } from "./model.ts";
import type { Options } from "./options.ts";
import { grouped, micro, NOTHING, nano, print, ratio, Table, times } from "./report.ts";
import { sceneSnapshot } from "./scene.ts";
import { makeServices } from "./services.ts";

/** Fewer rules than this are lost in the noise of a packet's other costs. */
const SERVICES_AT_LEAST = 1000;

/** S5: the walk that visits every rule, by the cost of a rule: the last service's packets less the first's. */
export async function s5({ seed, sizes }: Options): Promise<void> {
  print("S5  the literal walk: nanoseconds a rule, from packets to the first and to the last service");
  const here = realKernelHere("iptables-legacy-restore");
  const table = new Table(
    ...["services", "ours first", "last", "kernel first", "last", "ours a rule", "kernel a rule", "ratio"],
  );
  const all: TrafficRow[] = [];
  let worst: number | null = null;
  let at = 0;
  for (const size of sizes.filter((size, i) => size >= SERVICES_AT_LEAST || i === sizes.length - 1)) {
    const services = makeServices(size, seed, "cluster");
    const save = iptablesSave(services);
    await withRealKernel(here, async (real) => {
      const model = new Model(compile(sceneSnapshot(save)), seed, true);
      real?.loadIptables(save);
      const sides = { services, model, real, seed };
      const first = await compareTraffic(sides, "cluster", "first");
      const last = await compareTraffic(sides, "cluster", "last");
      all.push(first, last);
      const rules = last.rules - first.rules;
      const ours = (last.ours - first.ours) / rules;
      const theirs = first.real === null || last.real === null ? null : (last.real - first.real) / rules;
      const factor = theirs === null ? null : theirs / ours;
      if (factor !== null && (worst === null || factor < worst)) {
        worst = factor;
        at = size;
      }
      table.row(
        grouped(size),
        micro(first.ours),
        micro(last.ours),
        first.real === null ? NOTHING : micro(first.real),
        last.real === null ? NOTHING : micro(last.real),
        nano(ours),
        theirs === null ? NOTHING : nano(theirs),
        factor === null ? NOTHING : times(factor),
      );
    });
  }
  table.print();
  for (const row of all) row.compareLiteral();
  print(`  ${Answers.summary(all.map(({ answers }) => answers))}`);
  ratio(
    "S5",
    worst,
    "must 2, aim 5",
    `literal rules/s, ours ÷ kernel iptables-legacy${worst === null ? "" : `, worst at ${grouped(at)} services`}`,
  );
}
