/**
 * Cuts a node that is certainly off from the shared storage, before its VMs are given away: a command of the operator's that
 * breaks the locks, or closes the clients, which the storage still keeps for it. Promises (test/compliance/storage-fence.test.ts):
 *   STF1 a call ends within its timeout plus a second, with its whole process group gone (S7);
 *   STF2 success is exit code 0 and nothing else; a failure has its reason;
 *   STF3 the node and the id of its fence are in the environment of the command. It may be called again for the same fence.
 */
export interface StorageFence {
  cutOff(facts: { readonly node: string; readonly fenceId: string }): Promise<{
    readonly ok: boolean;
    readonly because: string;
  }>;
}
