import { describe, expect, it } from "vitest";
import { RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST } from "../../../../src/kernel/route/types.ts";
import { compiled, FakeContext, ip, packet } from "./rule-context.ts";

describe("addrtype (xt_addrtype.c)", () => {
  const local = ip("10.0.0.1");
  const pod = ip("10.244.0.5");
  const everyone = ip("10.0.0.255");

  function context(): FakeContext {
    const made = new FakeContext();
    made.inIf = 2;
    made.outIf = 3;
    // The address is on device 3: local to any device, but not to 2.
    made.types.set(`${local}@0`, RTN_LOCAL);
    made.types.set(`${local}@2`, RTN_UNICAST);
    made.types.set(`${local}@3`, RTN_LOCAL);
    made.types.set(`${pod}@0`, RTN_UNICAST);
    made.types.set(`${everyone}@0`, RTN_BROADCAST);
    return made;
  }

  it.each([
    ["--dst-type LOCAL", pod, local, true],
    ["--dst-type LOCAL", local, pod, false],
    ["! --dst-type LOCAL", local, pod, true],
    ["--src-type LOCAL", local, pod, true],
    ["--src-type LOCAL,BROADCAST", everyone, pod, true],
    ["--src-type UNICAST ! --dst-type BROADCAST", pod, local, true],
    ["--src-type UNICAST ! --dst-type BROADCAST", pod, everyone, false],
    ["--src-type LOCAL --dst-type UNICAST", local, pod, true],
    ["--src-type LOCAL --dst-type UNICAST", pod, pod, false],
    ["--dst-type LOCAL --limit-iface-in", pod, local, false],
    ["--dst-type LOCAL --limit-iface-out", pod, local, true],
    ["! --src-type LOCAL --limit-iface-in", local, pod, true],
    ["--dst-type UNSPEC", pod, ip("9.9.9.9"), true],
  ])("%s, %i to %i: %s", (options, src, dst, expected) => {
    expect(compiled(`-m addrtype ${options}`).test(packet({ src, dst }), context().asContext())).toBe(
      expected,
    );
  });
});

describe("physdev (xt_physdev.c)", () => {
  const [none, port0, port1] = [0, 7, 8];

  function hit(options: string, nfBridge: boolean, physIn: number, physOut: number): boolean {
    const context = new FakeContext();
    context.names.set(port0, "port0");
    context.names.set(port1, "veth1");
    return compiled(`-m physdev ${options}`).test(packet({ nfBridge, physIn, physOut }), context.asContext());
  }

  it.each([
    ["--physdev-in port0", true, port0, port1, true],
    ["--physdev-in port0", true, port1, port0, false],
    ["! --physdev-in port0", true, port1, port0, true],
    ["--physdev-in port+", true, port0, none, true],
    ["--physdev-in veth+", true, port0, none, false],
    ["! --physdev-in veth+", true, port0, none, true],
    ["--physdev-in +", true, port0, none, true],
    ["--physdev-out veth1", true, port0, port1, true],
    ["--physdev-out veth1", true, port0, none, false],
    ["! --physdev-out veth1", true, port0, none, false],
    ["! --physdev-out veth1", true, port0, port0, true],
    ["--physdev-is-in", true, port0, none, true],
    ["! --physdev-is-in", true, port0, none, false],
    ["--physdev-is-out", true, port0, none, false],
    ["! --physdev-is-out", true, port0, none, true],
    ["--physdev-is-bridged", true, port0, port1, true],
    ["--physdev-is-bridged", true, port0, none, false],
    ["! --physdev-is-bridged", true, port0, none, true],
    ["--physdev-in port0 --physdev-out veth1", true, port0, port1, true],
    ["--physdev-in port0 --physdev-out veth1", true, port0, port0, false],
    ["! --physdev-in port0 --physdev-is-bridged", true, port1, port0, true],
    // Without a port of entry, --physdev-in is passed over (a quirk of the kernel).
    ["--physdev-in port0", true, none, port1, true],
    ["! --physdev-in port0", true, none, port1, true],
    // No bridge saw the packet: only what is inverted throughout matches.
    ["--physdev-in port0", false, none, none, false],
    ["! --physdev-in port0", false, none, none, true],
    ["! --physdev-is-bridged", false, none, none, true],
    ["! --physdev-in port0 --physdev-is-bridged", false, none, none, false],
  ])("%s, bridged %s, in %i out %i: %s", (options, nfBridge, physIn, physOut, expected) => {
    expect(hit(options, nfBridge, physIn, physOut)).toBe(expected);
  });
});
