import { describe, expect, it } from "vitest";
import { checkCluster } from "../../src/object/cluster-rules.ts";
import type { Node, Pod, Service } from "../../src/object/kubernetes-object.ts";
import { formatInputError, type InputError } from "../../src/world/input-error.ts";
import { readText } from "./read.ts";

const SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector: {app: web}
  ports:
  - port: 80
    targetPort: 8080
`;
const POD = `apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: {app: web}
spec:
  nodeName: n1
  containers:
  - name: c
    image: nginx
    ports:
    - containerPort: 80
status:
  podIP: 10.244.1.2
`;

describe("one mistake, one line", () => {
  it.each([
    [
      "an unknown field",
      SERVICE.replace("targetPort", "targetport"),
      'a.yaml:10: Service shop/web spec.ports[0].targetport: is no known field (did you mean "targetPort"?)',
    ],
    [
      "a mistyped field of a pod",
      POD.replace("containers:", "contianers:"),
      'a.yaml:8: Pod default/a spec.contianers: is no known field (did you mean "containers"?)',
    ],
    [
      "a port out of range",
      SERVICE.replace("port: 80", "port: 99999"),
      "a.yaml:9: Service shop/web spec.ports[0].port: 99999 is not a port from 1 to 65535",
    ],
    [
      "a port in quotes",
      SERVICE.replace("port: 80", 'port: "80"'),
      'a.yaml:9: Service shop/web spec.ports[0].port: "80" is not a port from 1 to 65535: write it without quotes',
    ],
    [
      "a number for a label",
      POD.replace("app: web", "app: 1"),
      'a.yaml:5: Pod default/a metadata.labels.app: 1 is not a text: write it in quotes, "1"',
    ],
    [
      "yes for a label",
      POD.replace("app: web", "app: yes"),
      'a.yaml:5: Pod default/a metadata.labels.app: true is not a text: write it in quotes, "true"',
    ],
    [
      "an object for a list",
      SERVICE.replace("  - port: 80\n    targetPort", "    port: 80\n    targetPort"),
      "a.yaml:8: Service shop/web spec.ports: an object is not a list",
    ],
    [
      "a malformed address",
      POD.replace("10.244.1.2", "10.244.1.256"),
      'a.yaml:14: Pod default/a status.podIP: "10.244.1.256" has the part 256, which is above 255',
    ],
    [
      "an address of four numbers and more",
      POD.replace("10.244.1.2", "10.244.1.2/24"),
      'a.yaml:14: Pod default/a status.podIP: "10.244.1.2/24" has a prefix length: an address is expected here, not a prefix',
    ],
    [
      "a word that is none",
      SERVICE.replace("  selector", "  type: Nodeport\n  selector"),
      'a.yaml:7: Service shop/web spec.type: "Nodeport" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName (did you mean "NodePort"?)',
    ],
    [
      "no ports",
      SERVICE.replace(/ {2}ports:.*/s, ""),
      "a.yaml:6: Service shop/web spec.ports: is empty: a Service needs a port, unless it is headless or an ExternalName",
    ],
    [
      "a port's name too long",
      POD.replace("containerPort: 80", "containerPort: 80\n      name: a-name-of-20-letters"),
      'a.yaml:13: Pod default/a spec.containers[0].ports[0].name: "a-name-of-20-letters" is no name of a port: at most 15 small letters, digits and single dashes, with a letter',
    ],
    [
      "a Service port's name that is no label",
      SERVICE.replace("  - port: 80", "  - name: Web_80\n    port: 80"),
      'a.yaml:9: Service shop/web spec.ports[0].name: "Web_80" is not a name of at most 63 small letters, digits and dashes, a letter or digit at both ends',
    ],
    [
      "no kind",
      SERVICE.replace("kind: Service\n", ""),
      "a.yaml:1: object web kind: is missing: every API object says its apiVersion and kind",
    ],
    [
      "no name",
      SERVICE.replace("  name: web\n", ""),
      "a.yaml:3: Service without a name metadata.name: is missing: every object has a name",
    ],
    [
      "a name with capitals",
      SERVICE.replace("name: web", "name: Web"),
      'a.yaml:4: Service shop/Web metadata.name: "Web" is no name: small letters, digits and dashes, a letter or digit at both ends',
    ],
    [
      "no containers",
      POD.replace(/ {2}containers:.*?(?=status)/s, "  containers: []\n"),
      "a.yaml:8: Pod default/a spec.containers: is empty: a pod has at least one container",
    ],
  ])("%s", (_name, text, message) => {
    const { errors, objects } = readText(text);
    expect(errors).toEqual([message]);
    expect(objects).toEqual([]);
  });

  it("all mistakes of all documents are told", () => {
    const { errors } = readText(`${SERVICE.replace("80", "0")}---\n${POD.replace("name: c", "name: 5")}`);
    expect(errors).toEqual([
      "a.yaml:9: Service shop/web spec.ports[0].port: 0 is not a port from 1 to 65535",
      'a.yaml:20: Pod default/a spec.containers[0].name: 5 is not a text: write it in quotes, "5"',
    ]);
  });

  it("a field that resembles none is a warning: a newer API may have it", () => {
    const { errors, warnings, objects } = readText(
      POD.replace("  nodeName: n1", "  nodeName: n1\n  zorblax: 1"),
    );
    expect(errors).toEqual([]);
    expect(warnings).toEqual([
      "a.yaml:8: Pod default/a spec.zorblax: is no field that is known here: it is left out of account",
    ]);
    expect(objects).toHaveLength(1);
  });

  it("a selector that misses its own template", () => {
    const text = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: wep}}
    spec: {containers: [{name: c}]}
`;
    expect(readText(text).errors).toEqual([
      "a.yaml:5: Deployment default/web spec.selector: does not match the labels of spec.template: none of its pods would belong to it",
    ]);
  });

  it("hidden addresses are said and taken as not there", () => {
    const text = `apiVersion: v1
kind: Node
metadata: {name: n1}
spec:
  podCIDR: "***HIDDEN***/25"
status:
  addresses:
  - {type: InternalIP, address: "***HIDDEN***"}
  - {type: Hostname, address: n1}
`;
    const { errors, warnings, objects } = readText(text);
    expect(errors).toEqual([]);
    expect(warnings).toEqual([
      "a.yaml:5: Node n1 spec.podCIDR: ***HIDDEN*** in this dump: spec.podCIDR, status.addresses[0].address are taken as not there",
    ]);
    expect((objects[0] as Node).status?.addresses).toEqual([{ type: "Hostname", address: "n1" }]);
  });
});

describe("between objects", () => {
  const check = (text: string, podsInNodeCidr = true) => {
    const { map, errors } = readText(text);
    expect(errors).toEqual([]);
    const findings: { errors: InputError[]; warnings: InputError[] } = { errors: [], warnings: [] };
    checkCluster(map, { podsInNodeCidr }, findings);
    return {
      errors: findings.errors.map(formatInputError),
      warnings: findings.warnings.map(formatInputError),
    };
  };
  const NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDR: 10.244.7.0/24}\n";
  const nodePort = (name: string) =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {type: NodePort, ports: [{port: 80, nodePort: 30080}]}\n`;

  it("two pods with one address", () => {
    expect(check(`${POD}---\n${POD.replace("name: a", "name: b")}`).errors).toEqual([
      "a.yaml:16: Pod default/b status.podIP: 10.244.1.2 is the address of Pod default/a (a.yaml:1) too",
    ]);
  });

  it.each(["Succeeded", "Failed"])("a pod that is %s has given its address back", (phase) => {
    const ended = POD.replace("name: a", "name: b").replace("status:", `status:\n  phase: ${phase}`);
    expect(check(`${POD}---\n${ended}`).errors).toEqual([]);
  });

  it("an address outside of its node's podCIDR, unless the CNI has its own", () => {
    expect(check(`${POD}---\n${NODE}`).errors).toEqual([
      "a.yaml:1: Pod default/a status.podIP: 10.244.1.2 is outside 10.244.7.0/24, the podCIDR of its node n1",
    ]);
    expect(check(`${POD}---\n${NODE}`, false).errors).toEqual([]);
  });

  it("a duplicate nodePort", () => {
    expect(check(`${nodePort("a")}---\n${nodePort("b")}`).errors).toEqual([
      "a.yaml:6: Service default/b spec.ports[0].nodePort: 30080/TCP is a node port of Service default/a (a.yaml:1) too",
    ]);
  });

  it("a selector that matches nothing is a warning", () => {
    expect(check(SERVICE)).toEqual({
      errors: [],
      warnings: [
        "a.yaml:1: Service shop/web spec.selector: app=web matches no pod and no workload's template in namespace shop",
      ],
    });
    const inShop = POD.replace("name: a", "name: a\n  namespace: shop");
    expect(check(`${SERVICE}---\n${inShop}`).warnings).toEqual([]);
  });
});

describe("forms of one object", () => {
  it("Lists are unpacked; items without kind have the List's", () => {
    const text = JSON.stringify({
      kind: "ServiceList",
      apiVersion: "v1",
      items: [{ metadata: { name: "a" }, spec: { ports: [{ port: 1 }] } }],
    });
    const { objects, errors } = readText(text, "a.json");
    expect(errors).toEqual([]);
    expect(objects[0]).toMatchObject({
      kind: "Service",
      apiVersion: "v1",
      metadata: { name: "a", namespace: "default" },
    });
  });

  it("mistakes in a List of JSON have their line", () => {
    const text = JSON.stringify(
      {
        kind: "List",
        apiVersion: "v1",
        items: [
          { apiVersion: "v1", kind: "Service", metadata: { name: "a" }, spec: { ports: [{ port: 0 }] } },
        ],
      },
      null,
      1,
    );
    expect(readText(text, "a.json").errors).toEqual([
      "a.json:14: Service default/a spec.ports[0].port: 0 is not a port from 1 to 65535",
    ]);
  });

  it("the internal form of old cluster-info dumps", () => {
    const text = JSON.stringify({
      selfLink: "/api/v1/nodes",
      resourceVersion: "7",
      Items: [
        {
          name: "minikube",
          selfLink: "/api/v1/nodes/minikube",
          labels: { "upper.io/Case": "kept" },
          Spec: { PodCIDR: "10.244.0.0/24", ExternalID: "minikube", Unschedulable: false, Taints: null },
          Status: { Addresses: [{ Type: "InternalIP", Address: "192.168.99.100" }], Capacity: { CPU: "2" } },
        },
      ],
    });
    const { objects, errors } = readText(text, "nodes.json");
    expect(errors).toEqual([]);
    expect(objects[0]).toMatchObject({
      kind: "Node",
      metadata: { name: "minikube", labels: { "upper.io/Case": "kept" } },
      spec: { podCIDR: "10.244.0.0/24", externalID: "minikube" },
      status: { addresses: [{ type: "InternalIP", address: "192.168.99.100" }] },
    });
  });

  it("a dump that says no kind at all has the one its file is named after", () => {
    const text = JSON.stringify({
      Items: [{ name: "rc", namespace: "x", Spec: { Replicas: 2, Selector: { a: "b" } } }],
    });
    const { objects, errors } = readText(text, "dump/x/replication-controllers.json");
    expect(errors).toEqual([]);
    expect(objects[0]).toMatchObject({
      apiVersion: "v1",
      kind: "ReplicationController",
      spec: { replicas: 2, selector: { a: "b" } },
    });
  });

  it("an internal pod's host network is found where the API has it", () => {
    const text = JSON.stringify({
      name: "p",
      namespace: "kube-system",
      selfLink: "/api/v1/namespaces/kube-system/pods/p",
      Spec: {
        NodeName: "n1",
        Containers: [{ Name: "c", Ports: [{ ContainerPort: 53, Protocol: "UDP" }] }],
        SecurityContext: { HostNetwork: true },
      },
      Status: { PodIP: "10.0.0.4", HostIP: "10.0.0.4" },
    });
    const { objects, errors } = readText(text, "p.json");
    expect(errors).toEqual([]);
    const pod = objects[0] as Pod;
    expect(pod.spec).toMatchObject({ hostNetwork: true, nodeName: "n1" });
    expect(pod.spec.containers[0]?.ports).toEqual([{ protocol: "UDP", containerPort: 53, hostPort: 53 }]);
    expect(pod.status).toMatchObject({ podIP: "10.0.0.4" });
  });

  it("the API's defaults are put in", () => {
    const [service] = readText(SERVICE.replace("targetPort: 8080", "name: http")).objects;
    expect((service as Service).spec).toEqual({
      type: "ClusterIP",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      selector: { app: "web" },
      ports: [{ targetPort: 80, protocol: "TCP", name: "http", port: 80 }],
    });
  });

  it("kinds of other groups that bear a known name are kept apart", () => {
    const { map, errors } = readText(
      "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {template: {}}\n",
    );
    expect(errors).toEqual([]);
    expect(map.list("Service")).toEqual([]);
    expect(map.kinds()).toEqual([{ kind: "Service.serving.knative.dev", count: 1 }]);
  });

  it("our own resources are kept like any custom resource", () => {
    const { objects } = readText(
      "apiVersion: hopscope.dev/v1\nkind: Fabric\nmetadata: {name: f}\nspec: {}\n",
    );
    expect(objects[0]).toMatchObject({ kind: "Fabric", metadata: { name: "f" } });
  });
});
