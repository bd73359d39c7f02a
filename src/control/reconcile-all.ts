import type { ObjectMap } from "../object/object-map.ts";
import { calicoBlockController, calicoGiver } from "./calico-ipam.ts";
import type { Controller } from "./controller.ts";
import { daemonSetController } from "./daemon-set.ts";
import { deploymentController } from "./deployment.ts";
import { endpointSliceController } from "./endpoint-slice.ts";
import { endpointsMirrorController } from "./endpoints-mirror.ts";
import { namespaceController } from "./namespace.ts";
import { nodeAddressController } from "./node-address.ts";
import { nodePortController } from "./node-port.ts";
import { podAddressController, podCidrGiver } from "./pod-address.ts";
import { podCidrController } from "./pod-cidr.ts";
import { replicaSetController } from "./replica-set.ts";
import { replicationControllerController } from "./replication-controller.ts";
import { scheduler } from "./scheduler.ts";
import { serviceAddressController } from "./service-address.ts";
import type { ClusterSettings } from "./settings.ts";
import { statefulSetController } from "./stateful-set.ts";

/**
 * The controllers in stages: each stage runs until nothing changes before the next begins, so that what shares a range
 * (addresses of a node, places on nodes) is given out once everybody who wants some is there.
 */
export function stagesOf(settings: ClusterSettings): readonly (readonly Controller[])[] {
  const { calico, families } = settings;
  return [
    [namespaceController, nodeAddressController(settings), podCidrController(settings)],
    [
      deploymentController,
      replicaSetController,
      replicationControllerController,
      statefulSetController,
      daemonSetController,
    ],
    [scheduler],
    ...(calico === null
      ? [[podAddressController(podCidrGiver(families), families)]]
      : [[calicoBlockController(calico)], [podAddressController(calicoGiver(calico, families), families)]]),
    [serviceAddressController(settings), nodePortController(settings)],
    [endpointSliceController, endpointsMirrorController],
  ];
}

/** More passes than any stage needs: a controller that never rests is a mistake of ours. */
const MOST_PASSES = 20;

/** Brings the objects to where no controller has anything left to write. */
export function reconcileAll(objects: ObjectMap, settings: ClusterSettings): void {
  for (const stage of stagesOf(settings)) runStage(objects, stage);
}

export function runStage(objects: ObjectMap, stage: readonly Controller[]): void {
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const before = objects.changes;
    for (const controller of stage) {
      for (const key of controller.keys(objects)) controller.reconcile(key, objects, objects);
    }
    if (objects.changes === before) return;
  }
  throw new Error(`${stage.map(({ name }) => name).join(", ")}: no rest after ${MOST_PASSES} passes`);
}
