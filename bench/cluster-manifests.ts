/** A cluster as manifests: nodes, Deployments of equal size and a Service before each. */
export interface ClusterSize {
  readonly nodes: number;
  readonly pods: number;
  readonly services: number;
}

/** Port of every Service, and what its pods listen on. */
export const SERVICE_PORT = 80;
export const POD_PORT = 8080;

/** Nodes lie in networks of up to 128, so that a cluster of any size is spread over several. */
export function clusterManifests({ nodes, pods, services }: ClusterSize): string {
  const documents: string[] = [];
  for (let i = 0; i < nodes; i++) {
    documents.push(
      `apiVersion: v1\nkind: Node\nmetadata: {name: n${i}}\nstatus: {addresses: [{type: InternalIP, address: 172.16.${i >> 7}.${(i & 127) + 1}}]}`,
    );
  }
  for (let i = 0; i < services; i++) {
    const replicas = Math.floor(pods / services) + (i < pods % services ? 1 : 0);
    documents.push(
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app${i}}\nspec: {replicas: ${replicas}, selector: {matchLabels: {app: a${i}}}, template: {metadata: {labels: {app: a${i}}}, spec: {containers: [{name: c, image: i, ports: [{containerPort: ${POD_PORT}}]}]}}}`,
      `apiVersion: v1\nkind: Service\nmetadata: {name: svc${i}}\nspec: {selector: {app: a${i}}, ports: [{port: ${SERVICE_PORT}, targetPort: ${POD_PORT}}]}`,
    );
  }
  return documents.join("\n---\n");
}
