import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "../cli/cli.ts";

/** The bundled cluster of manifests: two nginx, three tomcat, two mysql on three nodes behind their Services. */
const NMT = ["-f", "fixtures/nmt"];
const MISTAKE = ["-f", "fixtures/nmt-mistake"];

async function trace(...args: string[]): Promise<{ readonly code: number; readonly trace: Trace }> {
  const { out, code } = await hopscope(["trace", ...args, "-o", "json"]);
  return { code, trace: JSON.parse(out) as Trace };
}

interface Trace {
  readonly verdict: { readonly disposition: string; readonly reason: string };
  readonly outcomes: readonly {
    readonly probability: { readonly num: number; readonly den: number };
    readonly server?: {
      readonly host: string;
      readonly port: number;
      readonly peer: { readonly address: string };
    };
    readonly rewrites: readonly { readonly field: string; readonly from: string; readonly to: string }[];
    readonly frames: readonly { readonly device: string; readonly vxlan?: unknown }[];
  }[];
  readonly assumptions: readonly string[];
}

describe("a cluster of manifests", () => {
  it("a pod reaches a Service: each of its pods with the same odds, none of them seeing another source", async () => {
    const { code, trace: t } = await trace("deploy/nginx", "svc/tomcat:8080", ...NMT);
    expect(code).toBe(0);
    expect(t.verdict.disposition).toBe("DELIVERED");
    expect(t.outcomes.map(({ probability: { num, den } }) => `${num}/${den}`)).toEqual(["1/3", "1/3", "1/3"]);
    const servers = t.outcomes.map(({ server }) => server?.host ?? "");
    expect(new Set(servers).size).toBe(3);
    for (const { server } of t.outcomes) {
      expect(server?.host).toMatch(/^tomcat-/);
      expect(server?.port).toBe(8080);
      expect(server?.peer.address).toMatch(/^10\.244\./);
    }
  });

  it("the tunnel is crossed exactly where the pod lies on another node", async () => {
    const { trace: t } = await trace("deploy/nginx", "svc/tomcat:8080", ...NMT);
    const tunnelled = t.outcomes.filter(({ frames }) => frames.some(({ vxlan }) => vxlan !== undefined));
    expect(tunnelled).toHaveLength(2);
  });

  it.each(["192.168.50.11", "192.168.50.12", "192.168.50.13"])(
    "a client outside comes in by the node port of %s, masqueraded on its way to a pod elsewhere",
    async (node) => {
      const { code, trace: t } = await trace("external", `${node}:30080`, ...NMT);
      expect(code).toBe(0);
      expect(t.outcomes).toHaveLength(2);
      for (const { server } of t.outcomes) {
        expect(server?.host).toMatch(/^nginx-/);
        expect(server?.peer.address).not.toBe("203.0.113.10");
      }
    },
  );

  it("names are Kubernetes' own: pods, Services by port name, nodes, namespaces", async () => {
    for (const [from, to] of [
      ["deploy/default/nginx", "svc/default/mysql:mysql"],
      ["node/node2", "svc/tomcat"],
      ["deploy/tomcat", "deploy/mysql:3306"],
    ] as const) {
      const { trace: t } = await trace(from, to, ...NMT);
      expect(t.verdict.disposition, `${from} ${to}`).toBe("DELIVERED");
    }
  });

  it.each([
    [
      "deploy/ngnix",
      "svc/tomcat",
      'from "deploy/ngnix": there is no Deployment "ngnix" in namespace default (did you mean "nginx"?)',
    ],
    [
      "deploy/nginx",
      "svc/tomcta",
      'to "svc/tomcta": there is no Service "tomcta" in namespace default (did you mean "tomcat"?)',
    ],
    [
      "deploy/nginx",
      "svc/tomcat:htp",
      'to "svc/tomcat:htp": Service default/tomcat has no port "htp": it has 8080 (http)',
    ],
    [
      "deploy/shop/nginx",
      "svc/tomcat",
      'from "deploy/shop/nginx": there is no Deployment "nginx" in namespace shop (there is one in namespace default)',
    ],
  ])("%s %s is a mistake told in one line", async (from, to, message) => {
    const { out, err, code } = await hopscope(["trace", from, to, ...NMT]);
    expect({ out, err, code }).toEqual({ out: "", err: `error: ${message}\n`, code: 2 });
  });

  it("the same cluster with the wrong targetPort is refused, and putting it right mends it", async () => {
    const { code, trace: t } = await trace("deploy/nginx", "svc/tomcat:8080", ...MISTAKE);
    expect(code).toBe(1);
    expect(t.verdict).toMatchObject({ disposition: "REFUSED", reason: "no-listener-tcp" });
    const { out } = await hopscope(["trace", "deploy/nginx", "svc/tomcat:8080", ...MISTAKE]);
    const [first, second] = out.split("\n");
    expect(first).toBe("REFUSED  Service default/tomcat sends to targetPort 80, but its pods listen on 8080");
    expect(second).toBe("  deploy/nginx → svc/tomcat:8080");
  });

  it("what the objects tell of the cluster is told, with where it stands", async () => {
    const { out } = await hopscope(["trace", "deploy/nginx", "svc/tomcat", ...NMT]);
    const told = out.slice(out.indexOf("Detected")).replace(/\s+/g, " ");
    expect(told).toMatch(
      /^Detected CNI flannel \(fixtures\/nmt\/cluster\.yaml:\d+\), flannel's backend vxlan \(/,
    );
    expect(told).toMatch(/kube-proxy mode iptables \(fixtures\/nmt\/cluster\.yaml:\d+\)/);
    expect(told).toMatch(/service CIDR 10\.96\.0\.0\/12 \(fixtures\/nmt\/cluster\.yaml:\d+\)/);
    const { out: json } = await hopscope(["trace", "deploy/nginx", "svc/tomcat", "-o", "json", ...NMT]);
    expect((JSON.parse(json) as { detected: string[] }).detected).toHaveLength(5);
  });

  it("what nothing in the objects says is assumed, and told", async () => {
    const { trace: t } = await trace("deploy/nginx", "svc/tomcat", "-f", "fixtures/nmt/workloads.yaml");
    expect(t.assumptions.join("\n")).toMatch(/service CIDR 10\.96\.0\.0\/12: kubeadm's default/);
    expect(t.assumptions.join("\n")).toMatch(/the network between the nodes/);
  });

  it("a node's rules are exported as iptables-save has them", async () => {
    const { out, code } = await hopscope(["export", "--node", "node1", "--format", "iptables-save", ...NMT]);
    expect(code).toBe(0);
    expect(out).toMatch(/^-A KUBE-SERVICES -d 10\.96\.0\.88\/32 -p tcp .*--dport 8080 -j KUBE-SVC-/m);
    expect(out).toMatch(
      /^-A FLANNEL-POSTRTG -s 10\.244\.0\.0\/16 ! -d 224\.0\.0\.0\/4 .* -j MASQUERADE --random-fully$/m,
    );
  });

  it("says that a NetworkPolicy has no effect where nothing enforces it", async () => {
    const policy = join(mkdtempSync(join(tmpdir(), "hopscope-")), "policy.yaml");
    const head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n";
    writeFileSync(policy, `${head}spec: {podSelector: {}}\n`);
    const { code, trace: t } = await trace("deploy/nginx", "svc/tomcat:8080", ...NMT, "-f", policy);
    expect(code).toBe(0);
    expect(t.assumptions).toContain("NetworkPolicy default/deny has no effect: flannel does not enforce it");
  });
});
