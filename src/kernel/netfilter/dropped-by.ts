/** What dropped a packet in the table walked last (`Stack.dropBy`). */
export const DROPPED_BY_RULE = 0;
export const DROPPED_BY_POLICY = -1;
export const DROPPED_BY_MATCH = -2;
