import { describe, expect, it } from "vitest";
import { parseIpv4 } from "../../src/address/ipv4.ts";
import { Names } from "../../src/inventory/names.ts";
import { hopscope } from "../cli/cli.ts";
import { recordedWorld } from "../present/asked.ts";

describe("what an address of a dump is", () => {
  const names = new Names(recordedWorld("d-services-vxlan"));

  it.each([
    [
      "10.96.0.76",
      { kind: "service", as: "cluster IP", namespace: "default", name: "web", text: "Service default/web" },
    ],
    [
      "192.0.2.80",
      { kind: "service", as: "external IP", namespace: "shop", name: "front", text: "Service shop/front" },
    ],
    ["10.244.31.7", { kind: "pod", host: "web-1", text: "web-1" }],
    ["172.18.0.26", { kind: "node", host: "node1", text: "node1" }],
    ["203.0.113.11", { kind: "host", host: "laptop", text: "laptop" }],
    ["10.244.31.99", { kind: "network", text: "pods of node1 (10.244.31.0/24)" }],
    ["8.8.8.8", undefined],
  ])("%s", (address, role) => {
    expect(names.describe(address)).toEqual(role);
  });

  it("a Service's node port is known by its rule", () => {
    const port = names.services.atNodePort(31_342, "tcp");
    expect(port?.service).toMatchObject({ namespace: "shop", name: "local", object: null });
  });

  it("a pod's node is at the other end of its wire", () => {
    expect(names.nodeOf("web-1")).toBe("node1");
    expect(names.podNetworkOf(parseIpv4("10.244.21.200") as number)?.node).toBe("node2");
  });
});

describe("names in a trace of a cluster of objects", () => {
  it("pods by namespace, name, workload and node; Services by name and address; owners in the JSON", async () => {
    const line = ["trace", "deploy/nginx", "svc/tomcat:8080", "-f", "fixtures/nmt"];
    const { out } = await hopscope(line);
    expect(out).toMatch(/^ {2}from {4}pod default\/nginx-\S+ \(Deployment nginx, on node\d\), 10\.244\./m);
    expect(out).toMatch(/^ {2}to {6}cluster IP of Service default\/tomcat, 10\.96\.0\.88:8080\/tcp$/m);
    expect(out).toMatch(/^ {2}\d {2}pod default\/tomcat-\S+ {2}Deployment tomcat, on node\d$/m);
    const trace = JSON.parse((await hopscope([...line, "-o", "json"])).out);
    const rules: { chain: string; owner?: unknown }[] = trace.outcomes[0].rules;
    const dnat = rules.find(({ chain }) => chain.startsWith("KUBE-SEP-"));
    expect(dnat?.owner).toEqual({
      kind: "Service",
      namespace: "default",
      name: "tomcat",
      field: "spec.ports[0]",
    });
    expect(rules.every(({ owner }) => owner !== undefined)).toBe(true);
  });
});
