import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ORIGIN_NONE } from "../../../src/kernel/origin.ts";
import { formatOvsFlows, parseOvsFlows } from "../../../src/kernel/ovs/dump-flows.ts";
import { formatOvsGroups, parseOvsGroups } from "../../../src/kernel/ovs/dump-groups.ts";
import { parseOfctlShow } from "../../../src/kernel/ovs/ofctl-show.ts";
import { formatVsctlShow, parseVsctlShow } from "../../../src/kernel/ovs/vsctl-show.ts";
import { FLOWS, GROUPS, SHOW } from "./samples.ts";

const none = () => ORIGIN_NONE;

describe("what ovs-ofctl and ovs-vsctl print", () => {
  it.each(FLOWS)("flows come back byte for byte: %s", (line) => {
    const { flows, errors } = parseOvsFlows(line, none);
    expect(errors).toEqual([]);
    expect(formatOvsFlows(flows)).toBe(line);
  });

  it("the reply's header is none of the flows; a file for add-flows is read as well", () => {
    const text =
      "OFPST_FLOW reply (OF1.3) (xid=0x2):\n# by hand\ntable=1, priority=5,ip,nw_src=10.0.0.1 , actions=output:2\n";
    expect(formatOvsFlows(parseOvsFlows(text, none).flows)).toBe(
      " table=1, priority=5,ip,nw_src=10.0.0.1 actions=output:2\n",
    );
  });

  it.each([
    ["no flow", "cookie=0x0, table=0", "is no flow"],
    ["cut off", "priority=5 actions=ct(commit,nat(src=10.0.0.1", "cut off"],
    ["a wrong number", "priority=99999 actions=drop", "a number up to 65535 is expected"],
  ])("%s is one clear line", (_, line, message) => {
    const { flows, errors } = parseOvsFlows(line, none);
    expect(flows).toEqual([]);
    expect(errors[0]?.message).toContain(message);
  });

  it("groups and the database come back byte for byte", () => {
    const { groups, errors } = parseOvsGroups(GROUPS, none);
    expect(errors).toEqual([]);
    expect(formatOvsGroups(groups)).toBe(GROUPS);
    const read = parseVsctlShow(SHOW, none);
    expect(read.errors).toEqual([]);
    expect(formatVsctlShow(read.ovs)).toBe(SHOW);
  });

  it("names in quotes are read as JSON has them", () => {
    const { ovs, errors } = parseVsctlShow(
      '    Bridge "a\\tb \\u0041\\"\\\\"\n        Port p\n            Interface p\n',
      none,
    );
    expect([errors, ovs.bridges[0]?.name]).toEqual([[], 'a\tb A"\\']);
  });

  it.each([
    ["a VLAN", "            tag: 4096\n", "tag: 4096 is none of VLANs, 0 to 4095"],
    ["VLANs", "            trunks: [1, x]\n", "trunks: [1, x] is none of VLANs, 0 to 4095"],
    ["options", "                options: {key}\n", "options: {key} is no list of options"],
  ])("%s that is none is told", (_, line, message) => {
    const text = `    Bridge br0\n        Port p\n            Interface p\n${line}`;
    expect(parseVsctlShow(text, none).errors).toMatchObject([
      { line: 4, message: expect.stringContaining(message) },
    ]);
  });

  it("ports have their numbers", () => {
    const text = ` 2(p1): addr:aa:55:aa:55:00:10
     config:     NO_FLOOD
     state:      LIVE
 LOCAL(br0): addr:36:e7:91:b0:7e:41
     config:     0
`;
    expect(parseOfctlShow(text).map(({ name, number, config }) => [name, number, config])).toEqual([
      ["p1", 2, "NO_FLOOD"],
      ["br0", 65534, "0"],
    ]);
  });

  it("whatever it is given, it reads it or says what is wrong", () => {
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom(...FLOWS, GROUPS, SHOW), fc.nat(300)).map(([one, at]) => one.slice(0, at)),
      fc
        .tuple(fc.constantFrom(...FLOWS), fc.nat(300), fc.string({ maxLength: 3 }))
        .map(([one, at, more]) => one.slice(0, at) + more + one.slice(at)),
    );
    fc.assert(
      fc.property(text, (one) => {
        const { flows } = parseOvsFlows(one, none);
        const printed = formatOvsFlows(flows);
        expect(formatOvsFlows(parseOvsFlows(printed, none).flows)).toBe(printed);
        const groups = formatOvsGroups(parseOvsGroups(one, none).groups);
        expect(formatOvsGroups(parseOvsGroups(groups, none).groups)).toBe(groups);
        const show = formatVsctlShow(parseVsctlShow(one, none).ovs);
        expect(formatVsctlShow(parseVsctlShow(show, none).ovs)).toBe(show);
      }),
      { numRuns: 1000 },
    );
  });
});
