import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compileTcFilter } from "../../../src/kernel/tc/compile-filter.ts";
import { filterTextOfRead } from "../../../src/kernel/tc/tc-json.ts";
import { parseQdiscs, parseTcFilters } from "../../../src/kernel/tc/tc-text.ts";

/** One device's queues and filters as iproute2 6.1 printed them in both forms: `tc`, then `tc -j`. */
const [qdiscText = "", qdiscJson = "", filterText = "", filterJson = ""] = readFileSync(
  new URL("../../../fixtures/node-tools/tc.txt", import.meta.url),
  "utf8",
).split("---\n");

const origin = () => 0;
const filtersOf = (text: string) => parseTcFilters(text, "va", "ingress", origin);

describe("tc -j", () => {
  it("says of queues what the text says", () => {
    const read = parseQdiscs(qdiscJson, origin);
    // The text rounds a burst of 5118 bytes, which is what became of 5 kB.
    const text = qdiscText.replace("burst 5Kb", "burst 5118b");
    expect(read).toEqual(parseQdiscs(text, origin));
    expect(read.qdiscs).toHaveLength(5);
  });

  it("says of filters what the text says, every match of each", () => {
    const read = filtersOf(filterJson);
    const trimmed = ({ filters, errors }: ReturnType<typeof filtersOf>) => ({
      errors,
      filters: filters.map(({ lines, ...filter }) => ({
        ...filter,
        lines: lines.map((line) => line.trim()).filter((line) => !/^ref|^index/.test(line)),
      })),
    });
    expect(trimmed(read)).toEqual(trimmed(filtersOf(filterText)));
    expect(read.filters.filter(({ lines }) => lines.some((line) => line.includes("match")))).toHaveLength(4);
  });

  it("leaves a filter unknown whose matches somebody's reader of JSON lost", () => {
    const read = filtersOf(filterTextOfRead(JSON.parse(filterJson)) ?? "");
    const tests = read.filters.flatMap((filter, i) => compileTcFilter(filter, i)?.test ?? null);
    expect(tests.filter((test) => test !== null)).toEqual([]);
  });

  it("of flower and its actions, as iproute2's source prints them, is compiled", () => {
    const { filters } = filtersOf(
      JSON.stringify([
        { protocol: "ip", pref: 3, kind: "flower", chain: 0 },
        {
          ...{ protocol: "ip", pref: 3, kind: "flower", chain: 0 },
          options: {
            handle: 1,
            keys: { eth_type: "ipv4", ip_proto: "tcp", src_ip: "10.1.0.0/16", dst_port: 80 },
            not_in_hw: true,
            actions: [
              { order: 1, kind: "gact", control_action: { type: "drop" }, index: 1, ref: 1, bind: 1 },
            ],
          },
        },
      ]),
    );
    const compiled = filters.map((filter, i) => compileTcFilter(filter, i));
    expect(compiled[0]).toBeNull();
    expect(compiled[1]?.test).not.toBeNull();
    expect(compiled[1]?.actions).toEqual([{ kind: "gact", control: "drop" }]);
  });

  it.each(["[{", '[{"ifname":"lo"}]', "[1"])("%s is an error in one line", (text) => {
    expect(filtersOf(text).errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^is no (?:output|line) of "tc (?:-j )?filter show"/),
    ]);
  });
});
