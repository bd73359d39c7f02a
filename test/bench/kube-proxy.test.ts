import { describe, expect, it } from "vitest";
import { iptablesSave } from "../../bench/kube-proxy-iptables.ts";
import { hashOf } from "../../bench/kube-proxy-names.ts";
import { nftTable } from "../../bench/kube-proxy-nft.ts";
import { compile } from "../../bench/model.ts";
import { sceneSnapshot } from "../../bench/scene.ts";
import { makeServices, SERVICE_KINDS } from "../../bench/services.ts";

describe("names of kube-proxy's chains", () => {
  it.each([
    ["shop/web:httptcp", 16, "67NZLRHBNDSAWJRO"],
    ["shop/web:httptcp10.1.2.3:8080", 16, "4QSAKEI6VQKQTQY7"],
    ["shop/web:httptcp[2001:db8::7]:8080", 16, "2WWNWWUCHGLQWLSM"],
    ["shop/webudp", 16, "PSGTAS5VFF3ESZ4D"],
    ["shop/web/tcp/http", 8, "KHN6ECMT"],
    ["shop/web/tcp/http__10.1.2.3/8080", 8, "3KV7TXIP"],
  ])("%s", (text, characters, hash) => {
    expect(hashOf(text, characters)).toBe(hash);
  });
});

describe("generated services", () => {
  it("follow from the seed", () => {
    expect(iptablesSave(makeServices(50, 7, "mixed"))).toBe(iptablesSave(makeServices(50, 7, "mixed")));
    expect(iptablesSave(makeServices(50, 7, "mixed"))).not.toBe(iptablesSave(makeServices(50, 8, "mixed")));
  });

  it("are of every kind when mixed, and sorted by name", () => {
    const services = makeServices(5, 3, "mixed");
    expect(new Set(services.map(({ kind }) => kind))).toEqual(new Set(SERVICE_KINDS));
    const names = services.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
  });

  it("share no address", () => {
    const services = makeServices(500, 11, "mixed");
    const addresses = services.flatMap(({ clusterIp, vip, endpoints }) => [
      clusterIp,
      ...(vip === null ? [] : [vip]),
      ...endpoints.map(({ address }) => address),
    ]);
    expect(new Set(addresses).size).toBe(addresses.length);
  });
});

describe("the rules of generated services", () => {
  it("are read without a word that is not known", () => {
    const network = compile(sceneSnapshot(iptablesSave(makeServices(40, 5, "mixed"))));
    const text = JSON.stringify(network.world.hosts.get("node")?.iptables);
    expect(text).not.toContain('"unknown"');
  });

  it("give three endpoints a third each", () => {
    const save = iptablesSave(makeServices(1, 1, "cluster"));
    expect(save).toContain("--probability 0.33333333349 ");
    expect(save).toContain("--probability 0.50000000000 ");
  });

  it("leave comments on endpoints out of large sets only", () => {
    expect(iptablesSave(makeServices(300, 1, "cluster"))).toMatch(
      /KUBE-SVC-\w+ -m comment --comment "[^"]* -> /,
    );
    expect(iptablesSave(makeServices(400, 1, "cluster"))).not.toContain(" -> ");
  });

  it("hold every chain they jump to", () => {
    const save = iptablesSave(makeServices(60, 9, "mixed"));
    const chains = new Set(Array.from(save.matchAll(/^:(\S+)/gm), ([, chain]) => chain));
    const targets = Array.from(save.matchAll(/ -j (KUBE-\S+)/g), ([, chain]) => chain);
    expect(targets.filter((chain) => !chains.has(chain))).toEqual([]);
  });

  it("hold every chain they go to in the nftables mode", () => {
    const table = nftTable(makeServices(60, 9, "mixed"));
    const chains = new Set(Array.from(table.matchAll(/chain (\S+) \{/g), ([, chain]) => chain));
    const targets = Array.from(table.matchAll(/(?:goto|jump) ([^\s,}]+)/g), ([, chain]) => chain);
    expect(targets.filter((chain) => !chains.has(chain))).toEqual([]);
  });
});
