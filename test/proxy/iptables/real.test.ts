import { describe, expect, it } from "vitest";
import { fullSync, IptablesProxier } from "../../../src/proxy/iptables/proxier.ts";
import { restoreText } from "../../../src/proxy/iptables/restore-text.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { kubeChains } from "../kube-chains.ts";
import { played as caseOf, realOutputs } from "../real.ts";

/** Chains of all Services, among which no order is promised. */
const SHARED = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"];

describe.each(["IPv4", "IPv6"] as const)("the rules of kube-proxy 1.34 in iptables mode, %s", (family) => {
  const outputs = Object.entries(realOutputs<{ readonly iptables: string }>("iptables", "1.34", family));

  it.each(outputs)("%s", (name, output) => {
    const { services, slices, configuration, node } = caseOf(name, family, "1.34");
    // As it was played: the counters of nfacct were there, and node ports on 127.0.0.1 never turned off.
    const proxier = new IptablesProxier(proxyModel(services, slices, family), {
      ...configuration,
      nfacct: true,
      randomFully: true,
      localhostNodePorts: true,
    });
    const text = restoreText(fullSync(proxier.rulesFor(node)));
    const played = kubeChains(output.iptables, SHARED);
    // Made together with the jump to it, whether or not anything is to be written into it.
    if (played["filter KUBE-FIREWALL"]?.length === 0) delete played["filter KUBE-FIREWALL"];
    expect(kubeChains(text, SHARED)).toEqual(played);
  });
});
