import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "../cli/cli.ts";

/**
 * What each network leaves of the nodes' 1500 bytes for a pod (cni-facts), as a trace tells it; and that a packet of just so
 * many bytes passes, one byte more does not.
 */

const folder = mkdtempSync(join(tmpdir(), "hopscope-mtu-"));
const NODES = ["n1", "n2"]
  .map(
    (name, i) =>
      `---\napiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\nspec: {podCIDR: 10.244.${i}.0/24}\nstatus: {addresses: [{type: InternalIP, address: 192.168.50.1${i}}]}\n` +
      `---\napiVersion: v1\nkind: Pod\nmetadata: {name: p${i}}\nspec: {nodeName: ${name}, containers: [{name: c}]}\n`,
  )
  .join("");
const flannel = (backend: string) =>
  `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-flannel-cfg}\ndata: {net-conf.json: '{"Network": "10.244.0.0/16", "Backend": {${backend}}}'}\n`;
const calico = (mode: string) =>
  `---\napiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: 10.244.0.0/16${mode}}\n`;

interface Told {
  readonly verdict: { readonly disposition: string; readonly reason: string };
  readonly outcomes: readonly {
    readonly mtu?: {
      readonly mtu: number;
      readonly devices: readonly { readonly host: string; readonly device: string; readonly mtu: number }[];
    };
  }[];
}

async function asked(text: string, ...more: string[]): Promise<Told> {
  const file = join(folder, "cluster.yaml");
  writeFileSync(file, `${text}${NODES}`);
  const { out, err } = await hopscope(["trace", "pod/p0", "pod/p1/icmp", "-f", file, "-o", "json", ...more]);
  expect(err).toBe("");
  return JSON.parse(out) as Told;
}

const ICMP_AND_IP = 28;

describe.each([
  ["flannel vxlan", flannel('"Type": "vxlan"'), 1450],
  ["flannel vxlan, DirectRouting", flannel('"Type": "vxlan", "DirectRouting": true'), 1450],
  ["flannel vxlan, MTU 1400", flannel('"Type": "vxlan", "MTU": 1400'), 1350],
  ["flannel host-gw", flannel('"Type": "host-gw"'), 1500],
  ["flannel ipip", flannel('"Type": "ipip"'), 1480],
  ["flannel udp", flannel('"Type": "udp"'), 1472],
  ["Calico in IPIP", calico(", ipipMode: Always"), 1480],
  ["Calico in VXLAN", calico(", vxlanMode: Always"), 1450],
  ["Calico without encapsulation", calico(""), 1500],
])("%s", (_name, text, mtu) => {
  it(`leaves ${mtu} for the pod, and that is what passes`, async () => {
    const { outcomes, verdict } = await asked(text);
    expect(verdict.disposition).toBe("DELIVERED");
    const path = outcomes[0]?.mtu;
    expect(path?.mtu).toBe(mtu);
    expect(path?.devices[0]).toMatchObject({ host: "p0", device: "eth0", mtu });
    const fits = await asked(text, "--df", "--size", String(mtu - ICMP_AND_IP));
    expect(fits.verdict.disposition).toBe("DELIVERED");
    const more = await asked(text, "--df", "--size", String(mtu - ICMP_AND_IP + 1));
    expect(more.verdict).toMatchObject({ disposition: "TOO_BIG" });
  });
});

it("-v tells it in a line", async () => {
  const file = join(folder, "cluster.yaml");
  writeFileSync(file, `${flannel('"Type": "vxlan"')}${NODES}`);
  const { out } = await hopscope(["trace", "pod/p0", "pod/p1", "-v", "-f", file]);
  expect(out.replaceAll(/\s+/g, " ")).toContain(
    "MTU packets of 1450 bytes pass all the way: p0 eth0 1450, n1 flannel.1 1450, n1 eth0 1500 less 50 of the tunnel",
  );
  const { out: brief } = await hopscope(["trace", "pod/p0", "pod/p1", "-f", file]);
  expect(brief).not.toContain("MTU");
});
