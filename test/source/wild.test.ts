import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatPrefix4 } from "../../src/address/prefix.ts";
import { reconcileAll } from "../../src/control/reconcile-all.ts";
import type { ObjectMap } from "../../src/object/object-map.ts";
import { matches, selectorOfMap } from "../../src/object/selector.ts";
import { settingsOf } from "../../src/source/detect.ts";
import { readSource, type Source } from "../../src/source/read-source.ts";
import { hasWild, WILD, wildFile, wildFiles } from "./wild.ts";

function load(source: Source): ObjectMap {
  expect(source.errors).toEqual([]);
  reconcileAll(source.objects, settingsOf(source.detected));
  return source.objects;
}

/** `address:port` of a Service's ready endpoints. */
function endpointsOf(map: ObjectMap, namespace: string, name: string): string[] {
  return map
    .withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", name)
    .flatMap(({ endpoints, ports = [] }) =>
      endpoints.flatMap(({ addresses }) =>
        ports.map(({ port, protocol }) => `${addresses[0]}:${port}/${protocol}`),
      ),
    )
    .sort();
}

describe.skipIf(!hasWild)("manifests of real projects", () => {
  const folders = hasWild ? readdirSync(join(WILD, "manifests")).sort() : [];

  it.each(folders)("%s loads without an error and comes to rest", (folder) => {
    const map = load(readSource(wildFiles(`manifests/${folder}`)));
    for (const { metadata, status } of map.list("Pod"))
      expect([metadata.name, status?.podIP]).not.toContain(undefined);
  });

  it("sock-shop: 14 Services, every one selects exactly the pods labelled name=<service>", () => {
    const map = load(readSource([wildFile("manifests/sock-shop/complete-demo.yaml")]));
    const services = map.list("Service");
    expect(services).toHaveLength(14);
    for (const { metadata, spec } of services) {
      expect(spec.selector).toEqual({ name: metadata.name });
      const pods = map
        .list("Pod")
        .filter((pod) => matches(selectorOfMap(spec.selector ?? {}), pod.metadata.labels));
      expect(pods).toHaveLength(1);
    }
    expect(map.get("Service", "sock-shop/front-end")?.spec.ports?.[0]?.nodePort).toBe(30_001);
  });

  it("online-boutique: frontend 80 to 8080, frontend-external a LoadBalancer", () => {
    const map = load(readSource([wildFile("manifests/online-boutique/kubernetes-manifests.yaml")]));
    expect(map.get("Service", "default/frontend")?.spec.ports?.[0]).toMatchObject({
      port: 80,
      targetPort: 8080,
    });
    expect(map.get("Service", "default/frontend-external")?.spec.type).toBe("LoadBalancer");
    expect(endpointsOf(map, "default", "frontend")).toEqual(endpointsOf(map, "default", "frontend-external"));
  });

  it.each([
    ["cni-flannel/kube-flannel.yml", "flannel", "vxlan", "10.244.0.0/16"],
    ["cni-flannel/kube-flannel-hostgw.yaml", "flannel", "host-gw", "10.244.0.0/16"],
    ["cni-calico/calico-etcd.yaml", "calico", "vxlan", "10.244.0.0/16"],
    ["cni-canal/canal-etcd.yaml", "canal", "vxlan", "10.244.0.0/16"],
    ["cni-weave/weave-daemonset-k8s-1.11.yaml", "weave", "vxlan", "10.32.0.0/12"],
    ["cni-kube-router/kubeadm-kuberouter-all-features.yaml", "kube-router", "vxlan", "10.244.0.0/16"],
  ])("%s is recognised as %s", (file, cni, backend, cidr) => {
    const { detected } = readSource([wildFile(`manifests/${file}`)]);
    expect(detected.cni).toMatchObject({ value: cni, from: "input" });
    expect(detected.flannelBackend.value).toBe(backend);
    expect(formatPrefix4(detected.clusterCidr.value)).toBe(cidr);
  });
});

describe.skipIf(!hasWild)("dumps of real clusters", () => {
  it("AKS 2020: what its INDEX says", () => {
    const source = readSource(wildFiles("cluster-aks-2020"));
    const map = load(source);
    expect(formatPrefix4(source.detected.clusterCidr.value)).toBe("10.244.0.0/16");
    expect(source.detected.clusterCidr.where).toContain("--cluster-cidr");
    expect(formatPrefix4(source.detected.serviceCidr.value)).toBe("10.0.0.0/16");
    const [node] = map.list("Node");
    expect(node?.spec?.podCIDR).toBe("10.244.0.0/24");
    expect(node?.status?.addresses?.[0]).toEqual({ type: "InternalIP", address: "10.240.0.4" });
    expect(map.get("Service", "kube-system/kube-dns")?.spec.clusterIP).toBe("10.0.0.10");
    expect(endpointsOf(map, "kube-system", "kube-dns")).toEqual([
      "10.244.0.10:53/TCP",
      "10.244.0.10:53/UDP",
      "10.244.0.7:53/TCP",
      "10.244.0.7:53/UDP",
    ]);
    expect(endpointsOf(map, "kube-system", "metrics-server")).toEqual(["10.244.0.3:443/TCP"]);
    expect(endpointsOf(map, "kube-system", "healthmodel-replicaset-service")).toEqual([
      "10.244.0.4:25227/TCP",
    ]);
    expect(endpointsOf(map, "default", "kubernetes")).toEqual([]);
    // Nothing was made beside what was observed.
    expect(map.list("Pod")).toHaveLength(10);
  });

  it("nodes with ***HIDDEN*** addresses are said, not crashed over", () => {
    const source = readSource(wildFiles("cluster-troubleshoot-nodes"));
    const map = load(source);
    expect(source.warnings.length).toBeGreaterThan(0);
    for (const { message } of source.warnings) expect(message).toContain("***HIDDEN*** in this dump");
    expect(map.list("Node").length).toBeGreaterThan(1);
    expect(map.get("Node", "repldev-marc")?.status?.addresses?.[0]?.address).toBe("10.168.0.26");
    expect(JSON.stringify(map.list("Node").map(({ status }) => status?.addresses))).not.toContain("HIDDEN");
  });

  it("OpenShift's network configuration", () => {
    const { detected, uninterpreted } = readSource(wildFiles("openshift-nodenetworkstate"));
    expect(formatPrefix4(detected.clusterCidr.value)).toBe("10.128.0.0/14");
    expect(detected.nodeCidrLength.value).toBe(23);
    expect(formatPrefix4(detected.serviceCidr.value)).toBe("172.30.0.0/16");
    expect(uninterpreted).toEqual([{ kind: "NodeNetworkState", count: 3 }]);
  });

  it.each(["01-loopback/lo.conflist", "02-bridge-gw-masq/dbnet.conflist"])(
    "the conflist %s is one",
    (name) => {
      const { detected, errors } = readSource([wildFile(`cni-runs/${name}`)]);
      expect(errors).toEqual([]);
      expect(detected.conflist).not.toBeNull();
    },
  );
});
