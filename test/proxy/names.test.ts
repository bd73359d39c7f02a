import { describe, expect, it } from "vitest";
import {
  endpointChain,
  endpointHash,
  isServiceChain,
  serviceChains,
  serviceHash,
  servicePortName,
} from "../../src/proxy/names.ts";

describe("the name of a Service's port", () => {
  it.each([
    ["shop", "web", "http", "shop/web:http"],
    ["shop", "web", "", "shop/web"],
  ])("%s %s %j → %s", (namespace, service, port, name) => {
    expect(servicePortName(namespace, service, port)).toBe(name);
  });
});

describe("hashes", () => {
  it("of a port of a Service", () => {
    expect(serviceHash("shop/web:http", "tcp")).toBe("67NZLRHBNDSAWJRO");
    expect(serviceHash("shop/web", "udp")).toBe("PSGTAS5VFF3ESZ4D");
  });

  it("of an endpoint, IPv4 and IPv6", () => {
    expect(endpointHash("shop/web:http", "tcp", "10.1.2.3:8080")).toBe("4QSAKEI6VQKQTQY7");
    expect(endpointHash("shop/web:http", "tcp", "[2001:db8::7]:8080")).toBe("2WWNWWUCHGLQWLSM");
  });
});

describe("chains", () => {
  it("are named after the hashes and fit into 28 characters", () => {
    const chains = serviceChains("shop/web:http", "tcp");
    expect(chains).toEqual({
      cluster: "KUBE-SVC-67NZLRHBNDSAWJRO",
      local: "KUBE-SVL-67NZLRHBNDSAWJRO",
      external: "KUBE-EXT-67NZLRHBNDSAWJRO",
      firewall: "KUBE-FW-67NZLRHBNDSAWJRO",
      localExternal: "KUBE-XLB-67NZLRHBNDSAWJRO",
    });
    expect(endpointChain("shop/web:http", "tcp", "10.1.2.3:8080")).toBe("KUBE-SEP-4QSAKEI6VQKQTQY7");
  });

  it.each([
    ["KUBE-SVC-67NZLRHBNDSAWJRO", true],
    ["KUBE-FW-67NZLRHBNDSAWJRO", true],
    ["KUBE-XLB-67NZLRHBNDSAWJRO", true],
    ["KUBE-SERVICES", false],
    ["KUBE-FIREWALL", false],
    ["KUBE-MARK-MASQ", false],
    ["MY-KUBE-SVC-X", false],
  ])("%s belongs to one Service: %s", (chain, belongs) => {
    expect(isServiceChain(chain)).toBe(belongs);
  });
});
